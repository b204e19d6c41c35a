//! A second look at what may be a box to tick. On a map of 8-pixel cells a square of ten pixels, a round button and an O are
//! hard to tell apart; on a patch of pixels as large as the box they are not. It costs little, because it looks only where
//! the detection map sees something.

use tch::{IndexOp, Kind, Tensor, nn};

use super::network::{Cba, Maps, Out, Precision, STRIDE};

/// Channel of the class that is looked at.
pub const CLASS: i64 = 4;
/// Most places looked at on a picture when serving; the surest.
const MOST: i64 = 256;
/// The same when training, where every picture gives as many.
const MOST_TRAINED: i64 = 32;
/// Serving looks at places with this logit or more: a score of 0.05.
const FLOOR: f64 = -2.944;
/// Logit of places that are not looked at: a score of nothing.
const NOTHING: f64 = -12.;
/// Pixels a side of a patch.
const SIDE: i64 = 32;
/// A patch shows this many times the longer side of its box …
const MARGIN: f64 = 1.7;
/// … but never of a box shorter than this, in pixels.
const LEAST: f64 = 8.;
/// Sides move by this share of the patch for an output of 1.
const STEP: f64 = 0.1;

/// What was looked at and how it looked.
#[derive(Debug)]
pub struct Seen {
    /// `[m]`: index of each place in the flattened `[n, h, w]` cells.
    pub cells: Tensor,
    /// `[m, 4]`: pixels from the cell's centre to the left, top, right and bottom of the box as the detection map has it.
    pub proposed: Tensor,
    /// `[m]`: logits of "a box to tick".
    pub class: Tensor,
    /// `[m, 4]`: the sides as the patch shows them.
    pub sides: Tensor,
    /// `[m, 1]`: pixels a side of what each patch shows.
    pub span: Tensor,
}

/// Three convolutions over the pixels, one over them and what the detection map thinks, one answer.
#[derive(Debug)]
pub struct SecondLook {
    pixels: [Cba; 4],
    mix: Cba,
    out: Out,
}

impl SecondLook {
    /// Registers the parameters below `path`; `features` is the width of what the detection map's classes are told by.
    #[must_use]
    pub fn new(path: &nn::Path<'_>, features: i64) -> Self {
        let layer = |i: i64, inputs, outputs, kernel, stride, padding| Cba::new(&(path / i), inputs, outputs, kernel, stride, padding);
        Self {
            pixels: [layer(0, 3, 16, 4, 2, 1), layer(1, 16, 32, 3, 2, 1), layer(2, 32, 48, 3, 2, 1), layer(3, 48, 64, SIDE / 8, 1, 0)],
            mix: layer(4, 64 + features, 64, 1, 1, 0),
            out: Out::new(&(path / "out"), 64, 5, 0.),
        }
    }

    /// Its layers, to fold.
    pub fn layers(&mut self) -> impl Iterator<Item = &mut Cba> {
        self.pixels.iter_mut().chain([&mut self.mix])
    }

    /// Looks at the likeliest places of `maps` on `picture`, `[n, 3, h, w]`; `features` is `[n, width, h/8, w/8]`. No gradient
    /// leaves it. None where there is nothing to look at.
    #[must_use]
    pub fn look(&self, picture: &Tensor, maps: &Maps, features: &Tensor, train: bool, precision: Precision) -> Option<Seen> {
        let (n, _, h, w) = maps.class.size4().expect("a map has four dimensions by construction");
        let scores = maps.class.i((.., CLASS)).detach().flatten(1, -1);
        let (best, places) = scores.topk((h * w).min(if train { MOST_TRAINED } else { MOST }), 1, true, true);
        let first = Tensor::arange(n, (Kind::Int64, places.device())) * (h * w);
        let mut cells = (places + first.view([n, 1])).flatten(0, -1);
        if !train {
            cells = cells.masked_select(&best.flatten(0, -1).ge(FLOOR));
        }
        if cells.size()[0] == 0 {
            return None;
        }
        let at = |map: &Tensor| map.detach().permute([0, 2, 3, 1]).flatten(0, 2).index_select(0, &cells);
        let proposed = distances(&at(&maps.sides));
        let (patches, span) = patches(picture, &cells, &proposed, w, h);
        let mut x = patches.to_kind(precision.kind());
        for layer in &self.pixels {
            x = layer.forward(&x, train, precision);
        }
        let known = at(features).unsqueeze(-1).unsqueeze(-1).to_kind(x.kind());
        let x = self.mix.forward(&Tensor::cat(&[x, known], 1), train, precision);
        let out = self.out.forward(&x).flatten(1, -1);
        let sides = &proposed + out.narrow(1, 1, 4) * &span * STEP;
        Some(Seen { cells, proposed, class: out.i((.., 0)), sides, span })
    }
}

/// The maps after the second look: its scores in place of the first, and its boxes where it is the surest of all classes.
pub fn settle(maps: &mut Maps, seen: Option<&Seen>) {
    let mut class = maps.class.i((.., CLASS)).full_like(NOTHING);
    if let Some(seen) = seen {
        let (n, _, h, w) = maps.class.size4().expect("a map has four dimensions by construction");
        class = class.flatten(0, -1).index_put(&[Some(&seen.cells)], &seen.class.to_kind(class.kind()), false).view([n, h, w]);
        let (others, _) = maps.class.narrow(1, 0, CLASS).max_dim(1, false);
        let surer = class.gt_tensor(&others).flatten(0, -1).index_select(0, &seen.cells).unsqueeze(1);
        let mut sides = maps.sides.permute([0, 2, 3, 1]).flatten(0, 2);
        let logs = (seen.sides.clamp_min(-7.8) / STRIDE as f64 + 1.).log();
        let chosen = logs.where_self(&surer, &sides.index_select(0, &seen.cells));
        sides = sides.index_put(&[Some(&seen.cells)], &chosen, false);
        maps.sides = sides.view([n, h, w, 4]).permute([0, 3, 1, 2]);
    }
    maps.class = Tensor::cat(&[maps.class.narrow(1, 0, CLASS), class.unsqueeze(1)], 1);
}

/// Pixels from a cell's centre to the sides of its box, out of what the network says.
pub fn distances(sides: &Tensor) -> Tensor {
    (sides.clamp(-4., 6.).exp() - 1.) * STRIDE as f64
}

/// `[m, 3, SIDE, SIDE]`, each of mean 0 and deviation 1, and how many pixels of the picture each spans, `[m, 1]`.
fn patches(picture: &Tensor, cells: &Tensor, sides: &Tensor, columns: i64, rows: i64) -> (Tensor, Tensor) {
    let (n, _, height, width) = picture.size4().expect("pictures have four dimensions by construction");
    let (m, stride) = (cells.size()[0], STRIDE as f64);
    let float = |t: Tensor| t.to_kind(Kind::Float).view([m, 1]);
    let centre =
        |cell: Tensor, before: i64| (float(cell) + 0.5) * stride + (sides.narrow(1, before + 2, 1) - sides.narrow(1, before, 1)) / 2.;
    let cell = cells.remainder(rows * columns);
    let (x, y) = (centre(cell.remainder(columns), 0), centre(cell.divide_scalar_mode(columns, "floor"), 1));
    let size = sides.narrow(1, 0, 2) + sides.narrow(1, 2, 2);
    let span = size.amax([1i64].as_slice(), true).clamp(LEAST, 256.) * MARGIN;
    let along = (Tensor::arange(SIDE, (Kind::Float, picture.device())) + 0.5) / SIDE as f64 - 0.5;
    let across = |middle: &Tensor, end: i64| (middle + along.view([1, SIDE]) * &span).clamp(0.5, end as f64 - 0.5);
    // The pictures under one another are one tall picture: one sampling for all of them, and no patch leaves its own.
    let above = float(cells.divide_scalar_mode(rows * columns, "floor")) * height as f64;
    let (x, y) = (across(&x, width) * 2. / width as f64 - 1., (across(&y, height) + above) * 2. / (n * height) as f64 - 1.);
    let grid = Tensor::stack(&[x.view([m, 1, SIDE]).expand([m, SIDE, SIDE], true), y.view([m, SIDE, 1]).expand([m, SIDE, SIDE], true)], -1);
    let tall = picture.permute([0, 2, 3, 1]).reshape([1, n * height, width, 3]).permute([0, 3, 1, 2]);
    let patches = tall.grid_sampler(&grid.view([1, m * SIDE, SIDE, 2]), 0, 1, false).view([3, m, SIDE, SIDE]).permute([1, 0, 2, 3]);
    let flat = patches.reshape([m, -1]);
    let (mean, deviation) = (flat.mean_dim([1i64].as_slice(), true, Kind::Float), flat.std_dim([1i64].as_slice(), false, true));
    let even = |t: &Tensor| t.view([m, 1, 1, 1]);
    ((patches - even(&mean)) / (even(&deviation) + 0.01), span)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Maps of one picture of 8 x 8 cells: every class as unlikely as `logit`, every box 8 x 8 pixels.
    fn maps(logit: f64) -> Maps {
        let map = |channels: i64, value: f64| Tensor::full([1, channels, 8, 8], value, (Kind::Float, Device::Cpu));
        Maps { class: map(CLASS + 1, logit), sides: map(4, 1.5f64.ln()), mask: map(1, 0.), seen: None }
    }

    #[test]
    fn a_patch_shows_the_box_of_its_own_picture() {
        let pictures = Tensor::full([2, 3, 64, 64], 0.5, (Kind::Float, Device::Cpu));
        // A bright square about the cell in the third row and column of the second picture.
        let _ = pictures.i((1, .., 16..24, 16..24)).fill_(1.);
        let cells = Tensor::from_slice(&[18i64, 64 + 18]);
        let (patches, span) = patches(&pictures, &cells, &Tensor::full([2, 4], 4., (Kind::Float, Device::Cpu)), 8, 8);
        assert_eq!(patches.size(), [2, 3, SIDE, SIDE]);
        assert!((span.double_value(&[1, 0]) - 8. * MARGIN).abs() < 1e-4);
        assert!(patches.i(0).abs().max().double_value(&[]) < 1e-3, "the first picture is even");
        let at = |y: i64, x: i64| patches.double_value(&[1, 0, y, x]);
        assert!(at(16, 16) > 0.5 && at(8, 16) > 0.5 && at(1, 1) < -0.5 && at(30, 16) < -0.5);
    }

    #[test]
    fn the_second_look_replaces_the_first() {
        let mut seen_maps = maps(-1.);
        let seen = Seen {
            cells: Tensor::from_slice(&[3i64, 9]),
            proposed: Tensor::full([2, 4], 4., (Kind::Float, Device::Cpu)),
            class: Tensor::from_slice(&[2f32, -3.]),
            sides: Tensor::full([2, 4], 12., (Kind::Float, Device::Cpu)),
            span: Tensor::full([2, 1], 20., (Kind::Float, Device::Cpu)),
        };
        settle(&mut seen_maps, Some(&seen));
        let class = |cell: i64| seen_maps.class.double_value(&[0, CLASS, cell / 8, cell % 8]);
        assert_eq!([class(3), class(9), class(4)], [2., -3., NOTHING]);
        let side = |cell: i64| distances(&seen_maps.sides).double_value(&[0, 2, cell / 8, cell % 8]);
        assert!((side(3) - 12.).abs() < 1e-3 && (side(9) - 4.).abs() < 1e-3, "only the surest class of a cell has its box there");
        let mut unseen = maps(-1.);
        settle(&mut unseen, None);
        assert!(unseen.class.i((.., CLASS)).max().double_value(&[]) < -11.);
    }
}
