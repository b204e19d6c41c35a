//! What the network should say about a crop: which cells see which object, and where lines of text have their core.

use super::{
    geometry::{Rect, area_of, clip, hull_of},
    scene::Scene,
    sheet::{BARCODE, CHECKBOX, Object, TEXT},
};
use crate::vision::torch::network::{MASK_STRIDE, STRIDE};

/// Shorter than this, a thing is neither asked for nor punished.
const SMALLEST: f32 = 5.;
/// A code of which less than this is visible is neither asked for nor punished.
const VISIBLE: f32 = 0.35;
/// Codes with smaller modules are neither asked for nor punished: their kind cannot be seen.
const MODULE: f32 = 1.2;
/// The same for the thinnest bars of barcodes, which are stripes long after they can be read.
const BAR: f32 = 0.7;
/// Lines lower than this are left out of the mask, neither core nor ground.
const MASK_SMALLEST: f32 = 5.5;
/// How much more a code weighs than a line: scenes have thirty lines for each code.
const CODE_WEIGHT: f32 = 3.;
/// The same for boxes to tick, which come in dozens.
const BOX_WEIGHT: f32 = 1.5;
/// Mask value of cells that count for nothing.
pub const IGNORED: u8 = 255;

/// One positive cell.
#[derive(Clone, Copy, Debug)]
pub struct Positive {
    /// Row-major index of the cell.
    pub cell: usize,
    /// Class of its object.
    pub class: usize,
    /// 1 / sqrt(cells of the object), so that large things do not drown small ones; more for codes, which are few.
    pub weight: f32,
    /// Pixels from the cell's centre to the left, top, right and bottom of the box; may be negative.
    pub sides: [f32; 4],
}

/// The targets of one crop of `side` x `side` pixels.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Positive cells of the detection map.
    pub positives: Vec<Positive>,
    /// Cells where no verdict is asked for.
    pub ignored: Vec<usize>,
    /// Mask: 1 core of a line, 0 ground, [`IGNORED`].
    pub mask: Vec<u8>,
    /// Boxes to tick, for the second look: where, and whether a verdict is asked for.
    pub ticks: Vec<(Rect, bool)>,
}

/// Computes the targets.
#[must_use]
pub fn targets(scene: &Scene) -> Targets {
    let (width, height) = (scene.image.width() as usize, scene.image.height() as usize);
    let (columns, rows) = (width / STRIDE, height / STRIDE);
    let window = [0., 0., width as f32, height as f32];
    let mut owner: Vec<Option<(usize, f32)>> = vec![None; columns * rows];
    let mut boxes: Vec<(usize, Rect)> = Vec::new();
    let (mut ignored, mut ticks) = (Vec::new(), Vec::new());
    let mut mask = vec![0; (width / MASK_STRIDE) * (height / MASK_STRIDE)];
    for object in &scene.objects {
        let visible = clip(&object.quad, window);
        if visible.len() < 3 {
            continue;
        }
        let share = area_of(&visible) / area_of(&object.quad).max(1.);
        let rect = hull_of(&visible);
        if object.class == TEXT {
            paint(&mut mask, width / MASK_STRIDE, height / MASK_STRIDE, object);
        }
        // A line that only peeps over the edge is a sliver: its thickness is judged against that of the whole line.
        let thickness = object.side(0).min(object.side(1));
        let cut = (rect[2] - rect[0]).min(rect[3] - rect[1]);
        let sliver = object.class == TEXT && cut < thickness * 0.6;
        let blurred = object.module() < if object.class == BARCODE { BAR } else { MODULE };
        let unclear = thickness < SMALLEST || blurred || cut < SMALLEST || sliver || (object.class != TEXT && share < VISIBLE);
        if object.class == CHECKBOX {
            ticks.push((rect, !unclear));
        }
        if unclear {
            ignored.extend(cells_in(rect, columns, rows));
            continue;
        }
        claim(&mut owner, columns, rows, rect, boxes.len());
        boxes.push((object.class, rect));
    }
    let mut counts = vec![0; boxes.len()];
    owner.iter().flatten().for_each(|&(object, _)| counts[object] += 1);
    let positive = |(cell, owned): (usize, &Option<(usize, f32)>)| {
        let (object, _) = (*owned)?;
        let (class, rect) = boxes[object];
        let (cx, cy) = centre(cell % columns, cell / columns);
        let sides = [cx - rect[0], cy - rect[1], rect[2] - cx, rect[3] - cy];
        let worth = match class {
            TEXT => 1.,
            CHECKBOX => BOX_WEIGHT,
            _ => CODE_WEIGHT,
        };
        Some(Positive { cell, class, weight: worth / (counts[object] as f32).sqrt(), sides })
    };
    let positives: Vec<Positive> = owner.iter().enumerate().filter_map(positive).collect();
    ignored.retain(|&cell| owner[cell].is_none());
    Targets { positives, ignored, mask, ticks }
}

/// Centre of a cell in pixels.
fn centre(column: usize, row: usize) -> (f32, f32) {
    ((column as f32 + 0.5) * STRIDE as f32, (row as f32 + 0.5) * STRIDE as f32)
}

/// Gives `object` the cells about the middle of its box; a cell that two want goes to the nearer.
fn claim(owner: &mut [Option<(usize, f32)>], columns: usize, rows: usize, [x0, y0, x1, y1]: Rect, object: usize) {
    let (w, h, mx, my) = (x1 - x0, y1 - y0, (x0 + x1) / 2., (y0 + y1) / 2.);
    let (rx, ry) = ((w * 0.2).max(4.01), (h * 0.2).max(4.01));
    for cell in cells_in([mx - rx - 8., my - ry - 8., mx + rx + 8., my + ry + 8.], columns, rows) {
        let (cx, cy) = centre(cell % columns, cell / columns);
        let (dx, dy) = ((cx - mx).abs(), (cy - my).abs());
        if dx > rx || dy > ry {
            continue;
        }
        let distance = (dx / w).hypot(dy / h);
        if owner[cell].is_none_or(|(_, other)| distance < other) {
            owner[cell] = Some((object, distance));
        }
    }
}

/// Cells whose centre lies in a rectangle.
fn cells_in([x0, y0, x1, y1]: Rect, columns: usize, rows: usize) -> impl Iterator<Item = usize> {
    let span = |a: f32, b: f32, n: usize| {
        let first = (a / STRIDE as f32 - 0.5).ceil().max(0.) as usize;
        let last = ((b / STRIDE as f32 - 0.5).floor() + 1.).clamp(0., n as f32) as usize;
        first..last
    };
    let across = span(x0, x1, columns);
    span(y0, y1, rows).flat_map(move |row| across.clone().map(move |column| row * columns + column))
}

/// Paints the core of a line: half its height, shortened by a quarter of the height at both ends.
fn paint(mask: &mut [u8], columns: usize, rows: usize, line: &Object) {
    let (quad, long, high) = (&line.quad, line.side(0).max(1.), line.side(1).max(1.));
    let value = if high < MASK_SMALLEST { IGNORED } else { 1 };
    let half = (high / 2.).max(4.2) / high / 2.;
    let end = (high / 4. / long).min(0.45);
    let at = |u: f32, v: f32| {
        let mix = |a: [f32; 2], b: [f32; 2], t: f32| [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
        mix(mix(quad[0], quad[1], u), mix(quad[3], quad[2], u), v)
    };
    let core = [at(end, 0.5 - half), at(1. - end, 0.5 - half), at(1. - end, 0.5 + half), at(end, 0.5 + half)];
    let stride = MASK_STRIDE as f32;
    let [x0, y0, x1, y1] = hull_of(&core).map(|v| v / stride);
    for row in y0.max(0.) as usize..(y1 + 1.).clamp(0., rows as f32) as usize {
        for column in x0.max(0.) as usize..(x1 + 1.).clamp(0., columns as f32) as usize {
            let p = [(column as f32 + 0.5) * stride, (row as f32 + 0.5) * stride];
            let turns = (0..4).map(|i| {
                let (a, b) = (core[i], core[(i + 1) % 4]);
                (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
            });
            // Either winding: a perspective may mirror nothing, but a turn by 180 degrees is common.
            let (low, high) = turns.fold((f32::MAX, f32::MIN), |(l, h), t| (l.min(t), h.max(t)));
            if low >= 0. || high <= 0. {
                mask[row * columns + column] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_owns_the_cells_about_its_middle_and_its_core_is_painted() {
        let rect = [64., 96., 192., 112.];
        let scene = Scene { image: image::RgbImage::new(256, 256), objects: vec![Object::plain(TEXT, rect)] };
        let found = targets(&scene);
        assert!(!found.positives.is_empty());
        for positive in &found.positives {
            let (cx, cy) = centre(positive.cell % 32, positive.cell / 32);
            assert_eq!([cx - positive.sides[0], cy - positive.sides[1], cx + positive.sides[2], cy + positive.sides[3]], rect);
        }
        let painted = found.mask.iter().filter(|&&v| v == 1).count();
        // 8 of 16 pixels high and 120 of 128 long, at 4 pixels a cell.
        assert!((55..=66).contains(&painted), "{painted} cells");
    }
}
