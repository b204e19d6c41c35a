//! Average precision: how well detections match the truth, class by class.

use super::geometry::{Rect, area_of, clip, hull_of};
use super::scene::Scene;
use super::sheet::{BARCODE, CHECKBOX, TEXT};
use crate::vision::{Detection, postprocess::overlap};

/// A true box; those that do not count are neither missed nor wrong to find.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// Index of its class.
    pub class: usize,
    /// Where it is.
    pub rect: Rect,
    /// Whether it counts.
    pub counts: bool,
}

/// The true boxes of a scene: what of each object is visible. What cannot be told does not count: lines and boxes to tick
/// under 8 pixels, barcodes with modules under 1 pixel, other codes with modules under 1.5, slivers at the edge, and
/// codes and boxes of which less than 60 % is visible.
#[must_use]
pub fn truths(scene: &Scene) -> Vec<Truth> {
    let window = [0., 0., scene.image.width() as f32, scene.image.height() as f32];
    let truth = |object: &super::sheet::Object| {
        let visible = clip(&object.quad, window);
        if visible.len() < 3 {
            return None;
        }
        let share = area_of(&visible) / area_of(&object.quad).max(1.);
        let rect = hull_of(&visible);
        let thickness = object.side(0).min(object.side(1));
        let shown = (rect[2] - rect[0]).min(rect[3] - rect[1]);
        let seen = match object.class {
            TEXT => thickness >= 8.,
            CHECKBOX => thickness >= 8.,
            BARCODE => object.module() >= 1.,
            _ => object.module() >= 1.5,
        };
        let counts = seen && if object.class == TEXT { shown >= thickness * 0.8 } else { share >= 0.6 };
        Some(Truth { class: object.class, rect, counts })
    };
    scene.objects.iter().filter_map(truth).collect()
}

/// One detection judged.
#[derive(Clone, Copy, Debug)]
struct Judged {
    score: f32,
    right: bool,
}

/// The judgements of one class over many pictures.
#[derive(Clone, Debug, Default)]
pub struct Score {
    judged: Vec<Judged>,
    /// True boxes that count.
    pub truths: usize,
}

impl Score {
    /// Judges the detections of one picture, surest first: each takes the free true box it overlaps most, if IoU ≥ `iou`.
    pub fn add(&mut self, class: usize, found: &[Detection], truths: &[Truth], iou: f32) {
        let truths: Vec<&Truth> = truths.iter().filter(|truth| truth.class == class).collect();
        self.truths += truths.iter().filter(|truth| truth.counts).count();
        let mut taken = vec![false; truths.len()];
        for detection in found.iter().filter(|detection| detection.class_id == class) {
            let rect = [detection.xmin, detection.ymin, detection.xmax, detection.ymax];
            let free = truths.iter().enumerate().filter(|(i, _)| !taken[*i]);
            let best = free.map(|(i, truth)| (overlap(rect, truth.rect), i)).max_by(|a, b| a.0.0.total_cmp(&b.0.0));
            match best {
                Some(((over, _), i)) if over >= iou => {
                    taken[i] = true;
                    if truths[i].counts {
                        self.judged.push(Judged { score: detection.confidence, right: true });
                    }
                }
                // On something too small to count: no verdict.
                Some(((_, inside), i)) if !truths[i].counts && inside > 0.5 => {}
                _ => self.judged.push(Judged { score: detection.confidence, right: false }),
            }
        }
    }

    /// Area under precision over recall, every point counted, precision made monotone; 1 when there is nothing to find.
    #[must_use]
    pub fn average_precision(&self) -> f64 {
        if self.truths == 0 {
            return 1.;
        }
        let mut judged = self.judged.clone();
        judged.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut right = 0.;
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(judged.len());
        for (i, one) in judged.iter().enumerate() {
            right += f64::from(u8::from(one.right));
            points.push((right / self.truths as f64, right / (i + 1) as f64));
        }
        let (mut area, mut best, mut until) = (0., 0f64, points.last().map_or(0., |last| last.0));
        for &(recall, precision) in points.iter().rev() {
            area += (until - recall) * best;
            best = best.max(precision);
            until = recall;
        }
        area + until * best
    }

    /// The confidence at which precision and recall are best together (their harmonic mean); 0.5 when nothing was judged.
    #[must_use]
    pub fn best_threshold(&self) -> f32 {
        let mut judged = self.judged.clone();
        judged.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut right = 0.;
        let mut best = (0., 0.5);
        for (i, one) in judged.iter().enumerate() {
            right += f64::from(u8::from(one.right));
            let both = 2. * right / (self.truths + i + 1) as f64;
            if both > best.0 {
                best = (both, one.score);
            }
        }
        best.1
    }

    /// Precision and recall of the detections that score at least `threshold`.
    #[must_use]
    pub fn at(&self, threshold: f32) -> (f64, f64) {
        let (mut all, mut right) = (0., 0.);
        for one in self.judged.iter().filter(|one| one.score >= threshold) {
            all += 1.;
            right += f64::from(u8::from(one.right));
        }
        let share = |of: f64| if of > 0. { right / of } else { 1. };
        (share(all), share(self.truths as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(x: f32, confidence: f32) -> Detection {
        Detection { class: "text_line".into(), class_id: 0, confidence, xmin: x, ymin: 0., xmax: x + 10., ymax: 10., quad: None }
    }

    #[test]
    fn average_precision_of_a_known_case() {
        let truth = |x: f32| Truth { class: 0, rect: [x, 0., x + 10., 10.], counts: true };
        let mut score = Score::default();
        // Right, wrong, right: precision 1 up to half, 2/3 after.
        score.add(0, &[detection(0., 0.9), detection(50., 0.8), detection(100., 0.7)], &[truth(0.), truth(100.)], 0.5);
        assert!((score.average_precision() - (0.5 + 0.5 * 2. / 3.)).abs() < 1e-9);
        assert_eq!(score.at(0.85), (1., 0.5));
    }
}
