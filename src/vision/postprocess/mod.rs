//! From the maps of a frame to things found. Plain slices and numbers; a millisecond for a full page.
//!
//! 1. Candidates over a low threshold, per class, best first.
//! 2. Text: greedy suppression, each side of a kept box voted on by the cells that overlap it, suppression again by IoU
//!    and by containment, which removes fragments of lines.
//! 3. Text mask: connected cores. A long core replaces the boxes in its middle, because boxes of lines longer than the
//!    network sees are cut short; a tilted core lends its angle to the box over it.
//! 4. Codes: one pool for all kinds of code; pieces of one barcode joined; text inside a code dropped.
//! 5. Boxes to tick: apart from the codes; where one and a letter are seen in one place, the surer stays.

pub mod boxes;
mod lines;
pub mod nms;

use lines::{Line, Lines, turned};
pub use nms::overlap;
use nms::{Candidate, candidates, overlap_of, suppress, vote};

use super::backend::Maps;

/// Scores below this are not looked at, not even to vote.
const FLOOR: f32 = 0.05;
/// Lines of which this share lies inside a better one are fragments of it.
const CONTAINED: f32 = 0.7;
/// The same for boxes to tick.
const BOX_CONTAINED: f32 = 0.6;
/// The same for codes.
const CODE_CONTAINED: f32 = 0.7;
/// A code at least this sure removes the text inside it: print is taken for a weak code more often than a code for print.
const SURE_CODE: f32 = 0.6;
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

/// What the classes of a model are.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    /// How many there are.
    pub classes: usize,
    /// Lines of text.
    pub text: Option<usize>,
    /// Barcodes: long ones are seen in pieces, which are joined.
    pub bars: Option<usize>,
    /// Boxes to tick. All classes but these and the lines of text are codes and share one pool.
    pub boxes: Option<usize>,
}

/// Everything found on maps whose picture part is `width` x `height` pixels, best first.
#[must_use]
pub fn shapes(maps: &Maps, kinds: Kinds, size: (usize, usize), limits: Thresholds) -> Vec<Shape> {
    let mut found = codes(maps, kinds, limits.iou);
    if let Some(bars) = kinds.bars {
        join(&mut found, bars);
    }
    let cores = Lines::find(&maps.mask, maps.columns * 2, maps.rows * 2);
    let mut boxes = kinds.boxes.map_or_else(Vec::new, |class| boxes(maps, class, limits.iou, &mut found));
    if let Some(text) = kinds.text {
        let sure: Vec<[f32; 4]> = found.iter().filter(|code| code.score > SURE_CODE).map(|code| code.rect).collect();
        let in_code = |line: &Shape| sure.iter().any(|code| covered(line.rect, *code) > 0.7);
        let mut lines: Vec<Shape> = text_lines(maps, &cores, text, limits.iou).into_iter().filter(|line| !in_code(line)).collect();
        settle(&mut boxes, &mut lines);
        found.extend(lines);
    }
    found.extend(boxes);
    let (w, h) = (size.0 as f32, size.1 as f32);
    found.retain_mut(|shape| {
        let [x0, y0, x1, y1] = shape.rect;
        shape.rect = [x0.clamp(0., w), y0.clamp(0., h), x1.clamp(0., w), y1.clamp(0., h)];
        shape.score >= limits.confidence && shape.rect[2] - shape.rect[0] > 1. && shape.rect[3] - shape.rect[1] > 1.
    });
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// Codes of all kinds out of one pool, best first: where one kind is, the others are not.
fn codes(maps: &Maps, kinds: Kinds, iou: f32) -> Vec<Shape> {
    let is_code = |class: &usize| Some(*class) != kinds.text && Some(*class) != kinds.boxes;
    let mut pool: Vec<Candidate> = (0..kinds.classes).filter(is_code).flat_map(|class| candidates(maps, class, FLOOR)).collect();
    pool.sort_by(|a, b| b.score.total_cmp(&a.score));
    let kept = suppress(&pool, |a, b| {
        let (over, inside) = overlap(a.rect, b.rect);
        over > iou || inside > CODE_CONTAINED
    });
    let shape = |kept: &Candidate| {
        let alike = pool.iter().filter(|other| other.class == kept.class);
        Shape { class: kept.class, score: kept.score, rect: vote(kept, alike).rect, quad: None }
    };
    kept.iter().map(shape).collect()
}

/// Boxes to tick, best first. A box that a surer code covers is a part of its pattern.
fn boxes(maps: &Maps, class: usize, iou: f32, codes: &mut Vec<Shape>) -> Vec<Shape> {
    let all = candidates(maps, class, FLOOR);
    let kept = suppress(&all, |a, b| {
        let (over, inside) = overlap(a.rect, b.rect);
        over > iou || inside > BOX_CONTAINED
    });
    let shape = |kept: &Candidate| Shape { class, score: kept.score, rect: vote(kept, all.iter()).rect, quad: None };
    let in_code = |found: &Shape| codes.iter().any(|code| code.score > found.score && covered(found.rect, code.rect) > 0.7);
    let found: Vec<Shape> = kept.iter().map(shape).filter(|found| !in_code(found)).collect();
    // The other way round, what is taken for a small code may be a surer box.
    codes.retain(|code| !found.iter().any(|found| found.score > code.score && overlap(found.rect, code.rect).0 > 0.4));
    found
}

/// A sign is a letter or a box to tick, not both: the surer of two in one place stays.
fn settle(boxes: &mut Vec<Shape>, lines: &mut Vec<Shape>) {
    let same = |found: &Shape, line: &Shape| overlap(found.rect, line.rect).0 > 0.35 || covered(line.rect, found.rect) > 0.7;
    let weaker: Vec<bool> = boxes.iter().map(|found| lines.iter().any(|line| line.score > found.score && same(found, line))).collect();
    lines.retain(|line| !boxes.iter().any(|found| found.score >= line.score && same(found, line)));
    let mut weaker = weaker.into_iter();
    boxes.retain(|_| !weaker.next().unwrap_or(false));
}

/// Joins boxes of one barcode: they overlap, and one edge of both runs along the same two lines.
fn join(found: &mut Vec<Shape>, bars: usize) {
    let mut i = 0;
    while i < found.len() {
        let same = |j: &usize| found[*j].class == bars && found[i].class == bars && in_line(found[i].rect, found[*j].rect);
        let Some(j) = (i + 1..found.len()).find(same) else {
            i += 1;
            continue;
        };
        let other = found.remove(j).rect;
        let [x0, y0, x1, y1] = found[i].rect;
        found[i].rect = [x0.min(other[0]), y0.min(other[1]), x1.max(other[2]), y1.max(other[3])];
        // The joined box may now reach one that was passed over.
        i = 0;
    }
}

fn in_line(a: [f32; 4], b: [f32; 4]) -> bool {
    let shared = |axis: usize| {
        let (inner, outer) = (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis]), a[axis + 2].max(b[axis + 2]) - a[axis].min(b[axis]));
        inner / outer.max(1.)
    };
    let (across, down) = (shared(0), shared(1));
    across.min(down) > 0.1 && across.max(down) > 0.75
}

/// The share of `inner` that lies in `outer`.
fn covered(inner: [f32; 4], outer: [f32; 4]) -> f32 {
    let width = (inner[2].min(outer[2]) - inner[0].max(outer[0])).max(0.);
    let height = (inner[3].min(outer[3]) - inner[1].max(outer[1])).max(0.);
    width * height / ((inner[2] - inner[0]) * (inner[3] - inner[1])).max(1e-6)
}

fn text_lines(maps: &Maps, cores: &Lines, text: usize, iou: f32) -> Vec<Shape> {
    let all: Vec<(Candidate, Option<usize>)> =
        candidates(maps, text, FLOOR).into_iter().map(|candidate| (candidate, cores.tilted(candidate.cell, TILT))).collect();
    // Upright hulls of neighbouring tilted lines overlap; the cores under the cells tell such lines apart.
    let apart = |a: Option<usize>, b: Option<usize>| a.is_some() && b.is_some() && a != b;
    let first = suppress(&all, |a, b| !apart(a.1, b.1) && overlap(a.0.rect, b.0.rect).0 > iou);
    let voted = |(kept, core): &(Candidate, Option<usize>)| {
        vote(kept, all.iter().filter(|other| !apart(*core, other.1)).map(|(candidate, _)| candidate))
    };
    let mut lines: Vec<Shape> = first.iter().map(|kept| boxed(&voted(kept), cores)).collect();
    replace_by_cores(&mut lines, cores, text);
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
    let middle = [(x0 + x1) / 2., (y0 + y1) / 2.];
    let Some(core) = cores.at(middle[0], middle[1]) else { return plain };
    let long = core.long(core.high);
    if core.angle.sin().abs() * long < TILT || long < core.high * 2.5 {
        return plain;
    }
    match sides_of(candidate.rect, core.angle) {
        Some((long, high)) => Shape { quad: Some(turned(middle, core.angle, long, high)), ..plain },
        None => plain,
    }
}

/// Length and height of the rectangle, turned by `angle`, whose hull is `rect`: w = l cos + h sin, h' = l sin + h cos.
/// None near 45 degrees, where the hull does not tell them apart.
fn sides_of(rect: [f32; 4], angle: f32) -> Option<(f32, f32)> {
    let (sin, cos) = (angle.sin().abs(), angle.cos().abs());
    let (w, h, mix) = (rect[2] - rect[0], rect[3] - rect[1], cos * cos - sin * sin);
    let (long, high) = ((w * cos - h * sin) / mix, (h * cos - w * sin) / mix);
    (mix.abs() > 0.2 && long > 2. && high > 2.).then_some((long, high))
}

/// A long core takes the place of the boxes whose middle lies in it, with the best of their scores. Its ends are the
/// core's; its height and its place across are the boxes', which see thickness better than a mask of 4-pixel cells.
fn replace_by_cores(lines: &mut Vec<Shape>, cores: &Lines, text: usize) {
    for core in cores.lines.iter().filter(|core| core.core > core.high.min(60.) * LONG / 2.) {
        let (inside, outside): (Vec<Shape>, Vec<Shape>) = lines.iter().partition(|line| within(line, core));
        let Some(score) = inside.iter().map(|line| line.score).max_by(f32::total_cmp) else { continue };
        let (high, off) = across(&inside, core);
        if core.long(high) < high * LONG {
            continue;
        }
        let quad = core.quad(high, off);
        let tilted = core.angle.sin().abs() * core.long(high) >= TILT;
        *lines = outside;
        lines.push(Shape { class: text, score, rect: hull(&quad), quad: tilted.then_some(quad) });
    }
}

/// Height of a line, and how far it lies beside its core, by the mean over its boxes, the surer the heavier.
fn across(inside: &[Shape], core: &Line) -> (f32, f32) {
    let (sin, cos) = core.angle.sin_cos();
    let (mut high, mut off, mut weight) = (0., 0., 0.);
    for line in inside {
        let Some((_, thick)) = sides_of(line.rect, core.angle) else { continue };
        let [x0, y0, x1, y1] = line.rect;
        let (dx, dy) = ((x0 + x1) / 2. - core.middle[0], (y0 + y1) / 2. - core.middle[1]);
        let sure = line.score * line.score;
        high += thick * sure;
        off += (dy * cos - dx * sin) * sure;
        weight += sure;
    }
    if weight > 0. { (high / weight, off / weight) } else { (core.high, 0.) }
}

fn hull(quad: &[[f32; 2]; 4]) -> [f32; 4] {
    let start = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    quad.iter().fold(start, |[x0, y0, x1, y1], &[x, y]| [x0.min(x), y0.min(y), x1.max(x), y1.max(y)])
}

/// Whether the middle of a box lies on a core, and the box is not far higher than it: not a heading over two lines.
fn within(line: &Shape, core: &Line) -> bool {
    let [x0, y0, x1, y1] = line.rect;
    let (sin, cos) = core.angle.sin_cos();
    let (dx, dy) = ((x0 + x1) / 2. - core.middle[0], (y0 + y1) / 2. - core.middle[1]);
    let (along, beside) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let reach = core.high.max(8.);
    let high = sides_of(line.rect, core.angle).map_or(reach, |(_, high)| high);
    along.abs() < core.long(core.high) / 2. && beside.abs() < reach / 2. && high < reach * 2.5
}
