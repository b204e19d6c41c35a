//! Boxes out of maps: decoding, suppression on true quads, and the vote of many cells on each side of a line.

use super::Shape;
use crate::vision::backend::Maps;

/// Pixels between cells of the detection map.
const STRIDE: f32 = 8.;
/// Most candidates of one class that are looked at.
const MOST: usize = 2000;

/// What one cell proposes.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Index of its class.
    pub class: usize,
    /// 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom in frame pixels.
    pub rect: [f32; 4],
    /// Centre of the cell.
    pub cell: [f32; 2],
}

/// Every cell of `class` that scores at least `threshold`, best first.
#[must_use]
pub fn candidates(maps: &Maps, class: usize, threshold: f32) -> Vec<Candidate> {
    let cells = maps.columns * maps.rows;
    let scores = &maps.scores[class * cells..(class + 1) * cells];
    let mut found: Vec<Candidate> = scores
        .iter()
        .enumerate()
        .filter(|&(_, &score)| score >= threshold)
        .map(|(i, &score)| {
            let (x, y) = ((i % maps.columns) as f32 * STRIDE + 4., (i / maps.columns) as f32 * STRIDE + 4.);
            let side = |which: usize| maps.sides[which * cells + i];
            Candidate { class, score, rect: [x - side(0), y - side(1), x + side(2), y + side(3)], cell: [x, y] }
        })
        .filter(|c| c.rect[2] - c.rect[0] > 1. && c.rect[3] - c.rect[1] > 1.)
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    found
}

/// Intersection and union of two upright rectangles over one another, and intersection over the smaller: (IoU, IoS).
#[must_use]
pub fn overlap(a: [f32; 4], b: [f32; 4]) -> (f32, f32) {
    let area = |r: [f32; 4]| (r[2] - r[0]).max(0.) * (r[3] - r[1]).max(0.);
    let inner = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    (inner / (area(a) + area(b) - inner).max(1e-6), inner / area(a).min(area(b)).max(1e-6))
}

/// Keeps the best of what overlaps, greedily. `items` come best first; `clash` says whether two are the same thing.
#[must_use]
pub fn suppress<T: Clone>(items: &[T], clash: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.iter().any(|better| clash(better, item)) {
            kept.push(item.clone());
        }
    }
    kept
}

/// Moves each side of a kept box to the mean of what the overlapping candidates say of it. The cells near an edge know
/// it best: weight = score² / (distance of the cell to that edge + 8)².
#[must_use]
pub fn vote<'a>(kept: &Candidate, all: impl Iterator<Item = &'a Candidate>) -> Candidate {
    let mut sums = [(0f32, 0f32); 4];
    for other in all.filter(|other| overlap(kept.rect, other.rect).0 > 0.4) {
        for (side, sum) in sums.iter_mut().enumerate() {
            let distance = (other.cell[side % 2] - other.rect[side]).abs() + 8.;
            let weight = (other.score / distance).powi(2);
            *sum = (sum.0 + weight * other.rect[side], sum.1 + weight);
        }
    }
    let rect = [0, 1, 2, 3].map(|side| if sums[side].1 > 0. { sums[side].0 / sums[side].1 } else { kept.rect[side] });
    Candidate { rect, ..*kept }
}

/// The same for two shapes: on their quads where one of them is tilted, because the upright hulls of neighbouring tilted
/// lines overlap though the lines do not.
#[must_use]
pub fn overlap_of(a: &Shape, b: &Shape) -> (f32, f32) {
    let upright = overlap(a.rect, b.rect);
    if upright.0 == 0. || (a.quad.is_none() && b.quad.is_none()) {
        return upright;
    }
    let (qa, qb) = (a.corners(), b.corners());
    let inner = area(&intersect(&qa, &qb));
    let (aa, ab) = (area(&qa), area(&qb));
    (inner / (aa + ab - inner).max(1e-6), inner / aa.min(ab).max(1e-6))
}

fn area(points: &[[f32; 2]]) -> f32 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f32>().abs() / 2.
}

/// What two convex quads, corners clockwise on screen, have in common (Sutherland–Hodgman).
fn intersect(a: &[[f32; 2]; 4], b: &[[f32; 2]; 4]) -> Vec<[f32; 2]> {
    let mut kept = a.to_vec();
    for i in 0..4 {
        let (from, to) = (b[i], b[(i + 1) % 4]);
        let side = |p: &[f32; 2]| (to[0] - from[0]) * (p[1] - from[1]) - (to[1] - from[1]) * (p[0] - from[0]);
        let mut next = Vec::with_capacity(kept.len() + 2);
        for (j, p) in kept.iter().enumerate() {
            let q = &kept[(j + 1) % kept.len()];
            let (sp, sq) = (side(p), side(q));
            if sp >= 0. {
                next.push(*p);
            }
            if (sp >= 0.) != (sq >= 0.) {
                let t = sp / (sp - sq);
                next.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
            }
        }
        kept = next;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_knows_containment() {
        let (iou, ios) = overlap([0., 0., 100., 10.], [20., 0., 40., 10.]);
        assert!((iou - 0.2).abs() < 1e-6 && (ios - 1.).abs() < 1e-6);
        assert_eq!(overlap([0., 0., 1., 1.], [2., 2., 3., 3.]), (0., 0.));
    }

    #[test]
    fn quads_meet_in_their_common_part() {
        let square = |x: f32| [[x, 0.], [x + 10., 0.], [x + 10., 10.], [x, 10.]];
        assert!((area(&intersect(&square(0.), &square(5.))) - 50.).abs() < 1e-3);
        assert!(area(&intersect(&square(0.), &square(20.))) < 1e-3);
    }

    #[test]
    fn a_near_cell_outvotes_a_far_one() {
        let far = Candidate { class: 0, score: 0.9, rect: [10., 0., 300., 16.], cell: [150., 8.] };
        let near = Candidate { class: 0, score: 0.9, rect: [0., 0., 280., 16.], cell: [12., 8.] };
        let voted = vote(&far, [far, near].iter());
        assert!(voted.rect[0] < 1., "the left edge is where the near cell sees it: {}", voted.rect[0]);
        assert!(voted.rect[2] > 290., "the right edge is where the far cell sees it: {}", voted.rect[2]);
    }
}
