//! From the maps of a frame to things found. Plain slices and numbers; a millisecond for a full page.
//!
//! 1. Candidates over a low threshold, per class, best first.
//! 2. Text: greedy suppression, each side of a kept box voted on by the cells that overlap it, suppression again by IoU
//!    and by containment, which removes fragments of lines.
//! 3. Text mask: connected cores. A long core replaces the boxes in its middle, because boxes of lines longer than the
//!    network sees are cut short; a tilted core lends its angle to the box over it.
//! 4. Codes: one pool for all kinds of code; text inside a code is dropped.

mod lines;
mod nms;

use lines::{Line, Lines};
pub use nms::overlap;
use nms::{Candidate, candidates, overlap_of, suppress, vote};

use super::backend::Maps;

/// Scores below this are not looked at, not even to vote.
const FLOOR: f32 = 0.05;
/// Boxes of which this share lies inside a better one are fragments of it.
const CONTAINED: f32 = 0.6;
/// The same for codes.
const CODE_CONTAINED: f32 = 0.7;
/// A code at least this sure removes the text inside it.
const SURE_CODE: f32 = 0.4;
/// Lines longer than this many heights are taken from the mask.
const LONG: f32 = 9.;
/// Both ends of a core must be this many pixels off the level, or the tilt of a few cells would be believed.
const TILT: f32 = 6.;

/// Something found, in frame pixels.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Index of its class.
    pub class: usize,
    /// 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom.
    pub rect: [f32; 4],
    /// Corners clockwise from the top left of the thing itself; only for text, whose direction the mask shows.
    pub quad: Option<[[f32; 2]; 4]>,
}

impl Shape {
    /// Its corners; those of the upright box when it has no direction.
    #[must_use]
    pub fn corners(&self) -> [[f32; 2]; 4] {
        let [x0, y0, x1, y1] = self.rect;
        self.quad.unwrap_or([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Least score of what is given back.
    pub confidence: f32,
    /// Two boxes of a class that overlap more than this are one thing.
    pub iou: f32,
}

/// Everything found on a frame whose picture part is `width` x `height` pixels, best first.
///
/// `text` is the class of text lines, if the model has one; all others are codes and share one pool.
#[must_use]
pub fn shapes(maps: &Maps, classes: usize, text: Option<usize>, size: (usize, usize), limits: Thresholds) -> Vec<Shape> {
    let mut pool: Vec<Candidate> =
        (0..classes).filter(|&class| Some(class) != text).flat_map(|class| candidates(maps, class, FLOOR)).collect();
    pool.sort_by(|a, b| b.score.total_cmp(&a.score));
    let clash = |a: &Candidate, b: &Candidate| {
        let (iou, inside) = overlap(a.rect, b.rect);
        iou > limits.iou || inside > CODE_CONTAINED
    };
    let codes = suppress(&pool, clash);
    let codes = codes.iter().map(|c| Shape { class: c.class, score: c.score, rect: vote(c, &of_class(&pool, c)).rect, quad: None });
    let mut found: Vec<Shape> = codes.collect();
    if let Some(text) = text {
        let sure: Vec<[f32; 4]> = found.iter().filter(|code| code.score > SURE_CODE).map(|code| code.rect).collect();
        let in_code = |line: &Shape| sure.iter().any(|code| covered(line.rect, *code) > 0.7);
        found.extend(text_lines(maps, text, limits.iou).into_iter().filter(|line| !in_code(line)));
    }
    let (w, h) = (size.0 as f32, size.1 as f32);
    found.retain_mut(|shape| {
        let [x0, y0, x1, y1] = shape.rect;
        shape.rect = [x0.clamp(0., w), y0.clamp(0., h), x1.clamp(0., w), y1.clamp(0., h)];
        shape.score >= limits.confidence && shape.rect[2] - shape.rect[0] > 1. && shape.rect[3] - shape.rect[1] > 1.
    });
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

fn of_class(pool: &[Candidate], like: &Candidate) -> Vec<Candidate> {
    pool.iter().filter(|c| c.class == like.class).copied().collect()
}

/// The share of `inner` that lies in `outer`.
fn covered(inner: [f32; 4], outer: [f32; 4]) -> f32 {
    let width = (inner[2].min(outer[2]) - inner[0].max(outer[0])).max(0.);
    let height = (inner[3].min(outer[3]) - inner[1].max(outer[1])).max(0.);
    width * height / ((inner[2] - inner[0]) * (inner[3] - inner[1])).max(1e-6)
}

fn text_lines(maps: &Maps, text: usize, iou: f32) -> Vec<Shape> {
    let all = candidates(maps, text, FLOOR);
    let first = suppress(&all, |a, b| overlap(a.rect, b.rect).0 > iou);
    let cores = Lines::find(&maps.mask, maps.columns * 2, maps.rows * 2);
    let mut lines: Vec<Shape> = first.iter().map(|kept| boxed(&vote(kept, &all), &cores)).collect();
    replace_by_cores(&mut lines, &cores, text);
    lines.sort_by(|a, b| b.score.total_cmp(&a.score));
    suppress(&lines, |a, b| {
        let (over, inside) = overlap_of(a, b);
        over > iou || inside > CONTAINED
    })
}

/// A voted box as a shape; with the angle of the core under its middle when that is tilted.
fn boxed(candidate: &Candidate, cores: &Lines) -> Shape {
    let [x0, y0, x1, y1] = candidate.rect;
    let plain = Shape { class: candidate.class, score: candidate.score, rect: candidate.rect, quad: None };
    let Some(core) = cores.at((x0 + x1) / 2., (y0 + y1) / 2.) else { return plain };
    let (sin, cos) = (core.angle.sin().abs(), core.angle.cos().abs());
    // The hull of a long x high rectangle at that angle is this box: w = l cos + h sin, h' = l sin + h cos.
    let (w, h, mix) = (x1 - x0, y1 - y0, cos * cos - sin * sin);
    if sin * core.long < TILT || core.long < core.high * 2.5 || mix.abs() < 0.2 {
        return plain;
    }
    let (long, high) = ((w * cos - h * sin) / mix, (h * cos - w * sin) / mix);
    if long < 2. || high < 2. {
        return plain;
    }
    let (s, c) = core.angle.sin_cos();
    let corner = |u: f32, v: f32| {
        let (a, b) = (u * long / 2., v * high / 2.);
        [(x0 + x1) / 2. + a * c - b * s, (y0 + y1) / 2. + a * s + b * c]
    };
    Shape { quad: Some([corner(-1., -1.), corner(1., -1.), corner(1., 1.), corner(-1., 1.)]), ..plain }
}

/// A long core takes the place of the boxes whose middle lies in it, with the best of their scores.
fn replace_by_cores(lines: &mut Vec<Shape>, cores: &Lines, text: usize) {
    for core in cores.lines.iter().filter(|core| core.long > core.high * LONG) {
        let (inside, outside): (Vec<Shape>, Vec<Shape>) = lines.iter().partition(|line| within(line, core));
        let Some(score) = inside.iter().map(|line| line.score).max_by(f32::total_cmp) else { continue };
        let xs = core.quad.map(|p| p[0]);
        let ys = core.quad.map(|p| p[1]);
        let low = |v: [f32; 4]| v.into_iter().fold(f32::MAX, f32::min);
        let top = |v: [f32; 4]| v.into_iter().fold(f32::MIN, f32::max);
        *lines = outside;
        lines.push(Shape {
            class: text,
            score: score.max(core.score.min(0.99)),
            rect: [low(xs), low(ys), top(xs), top(ys)],
            quad: Some(core.quad),
        });
    }
}

/// Whether the middle of a box lies on a core, and the box is about as high as it: not a heading over two lines.
fn within(line: &Shape, core: &Line) -> bool {
    let [x0, y0, x1, y1] = line.rect;
    let middle = [(x0 + x1) / 2., (y0 + y1) / 2.];
    (0..4).all(|i| {
        let (a, b) = (core.quad[i], core.quad[(i + 1) % 4]);
        (b[0] - a[0]) * (middle[1] - a[1]) - (b[1] - a[1]) * (middle[0] - a[0]) >= 0.
    })
}
