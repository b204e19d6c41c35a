//! Boxes of a detector that merges none: those of one class that overlap are one thing.

use super::{Shape, Thresholds, overlap, suppress};
use crate::vision::backend::RawBox;

/// Most boxes that are looked at, the surest: more would only be slower.
const MOST: usize = 3000;

/// What is left of `boxes`, best first, cut to the part of the frame that is picture: `visible`, left, top, right, bottom.
#[must_use]
pub fn merge(boxes: &[RawBox], visible: [f32; 4], limits: Thresholds) -> Vec<Shape> {
    let [left, top, right, bottom] = visible;
    let shape = |raw: &RawBox| {
        let [x0, y0, x1, y1] = raw.rect;
        let rect = [x0.clamp(left, right), y0.clamp(top, bottom), x1.clamp(left, right), y1.clamp(top, bottom)];
        Shape { class: raw.class, score: raw.score, rect, quad: None }
    };
    let mut shapes: Vec<Shape> = boxes
        .iter()
        // A score or a side that is no number is not more than anything.
        .filter(|raw| raw.score >= limits.confidence && raw.rect.iter().all(|side| side.is_finite()))
        .map(shape)
        .filter(|shape| shape.rect[2] > shape.rect[0] && shape.rect[3] > shape.rect[1])
        .collect();
    shapes.sort_by(|a, b| b.score.total_cmp(&a.score));
    shapes.truncate(MOST);
    suppress(&shapes, |better, other| better.class == other.class && overlap(better.rect, other.rect).0 > limits.iou)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Thresholds = Thresholds { confidence: 0.3, iou: 0.5 };

    fn raw(class: usize, score: f32, rect: [f32; 4]) -> RawBox {
        RawBox { rect, class, score }
    }

    #[test]
    fn the_surest_of_what_overlaps_stays_class_by_class() {
        let boxes = [
            raw(0, 0.6, [0., 0., 10., 10.]),
            raw(0, 0.9, [1., 0., 11., 10.]),
            raw(1, 0.5, [0., 0., 10., 10.]),
            raw(0, 0.4, [50., 50., 60., 60.]),
            raw(0, 0.2, [80., 80., 90., 90.]),
        ];
        let left: Vec<(usize, f32)> = merge(&boxes, [0., 0., 100., 100.], LIMITS).iter().map(|s| (s.class, s.score)).collect();
        assert_eq!(left, [(0, 0.9), (1, 0.5), (0, 0.4)]);
    }

    #[test]
    fn what_is_no_box_on_the_picture_is_dropped() {
        let boxes = [
            raw(0, f32::NAN, [0., 0., 10., 10.]),
            raw(0, 0.9, [f32::INFINITY, 0., 10., 10.]),
            raw(0, 0.9, [10., 10., 5., 20.]),
            raw(0, 0.9, [-20., -20., -5., -5.]),
            raw(0, 0.8, [-20., 10., 30., 120.]),
        ];
        let left = merge(&boxes, [0., 0., 100., 80.], LIMITS);
        assert_eq!(left.iter().map(|shape| shape.rect).collect::<Vec<_>>(), [[0., 10., 30., 80.]]);
    }
}
