//! What training minimises: varifocal classification, GIoU and side lengths of boxes, and the mask with mined negatives.

use tch::{Kind, Reduction, Tensor};

use super::feed::Sample;
use super::geometry::Rect;
use super::targets::IGNORED;
use crate::vision::{
    postprocess,
    torch::{
        network::{Maps, STRIDE},
        second::{Seen, distances},
    },
};

/// A place whose box overlaps a box to tick as much as this is told where that box is.
const NEAR: f32 = 0.35;

/// A batch as tensors.
#[derive(Debug)]
pub struct Batch {
    /// `[n, 3, side, side]`, RGB / 255 in channels-last order.
    pub pictures: Tensor,
    /// `[p]`: index of each positive in the flattened `[n, h, w]` cells.
    cells: Tensor,
    /// `[p]`: its class.
    classes: Tensor,
    /// `[p]`: its weight.
    weights: Tensor,
    /// `[p, 4]`: its sides in pixels.
    sides: Tensor,
    /// `[n * h * w, 1]`: 0 where no verdict is asked for, else 1.
    asked: Tensor,
    /// `[n, 1, h/4, w/4]`: 1, 0 or [`IGNORED`].
    mask: Tensor,
    /// Of each crop: its boxes to tick, and whether a verdict is asked for.
    ticks: Vec<Vec<(Rect, bool)>>,
    /// Cells in a row of the detection map, and rows.
    columns: usize,
}

impl Batch {
    /// Packs samples whose crops are `side` pixels a side.
    #[must_use]
    pub fn new(samples: &[Sample], side: u32) -> Self {
        let (n, side) = (samples.len() as i64, i64::from(side));
        let cells_each = (side as usize / STRIDE).pow(2);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| &sample.pixels).copied().collect();
        // Fed as [n, h, w, 3] and permuted: the strides carry channels-last through the network, half the time on a CPU.
        let pictures = Tensor::from_slice(&bytes).view([n, side, side, 3]).permute([0, 3, 1, 2]);
        let (mut cells, mut classes, mut weights, mut sides) = (vec![], vec![], vec![], vec![]);
        let mut asked = vec![1f32; cells_each * samples.len()];
        for (i, sample) in samples.iter().enumerate() {
            for positive in &sample.targets.positives {
                cells.push((i * cells_each + positive.cell) as i64);
                classes.push(positive.class as i64);
                weights.push(positive.weight);
                sides.extend(positive.sides);
            }
            sample.targets.ignored.iter().for_each(|cell| asked[i * cells_each + cell] = 0.);
        }
        let mask: Vec<u8> = samples.iter().flat_map(|sample| &sample.targets.mask).copied().collect();
        Self {
            pictures: pictures.to_kind(Kind::Float) / 255.,
            cells: Tensor::from_slice(&cells),
            classes: Tensor::from_slice(&classes),
            weights: Tensor::from_slice(&weights),
            sides: Tensor::from_slice(&sides).view([-1, 4]),
            asked: Tensor::from_slice(&asked).view([-1, 1]),
            mask: Tensor::from_slice(&mask).view([n, 1, side / 4, side / 4]),
            ticks: samples.iter().map(|sample| sample.targets.ticks.clone()).collect(),
            columns: side as usize / STRIDE,
        }
    }
}

/// The loss and what it is made of.
#[derive(Debug)]
pub struct Loss {
    /// To go backward from.
    pub total: Tensor,
    /// Classification, boxes, sides, mask, second look.
    pub parts: [Tensor; 5],
    /// Mean IoU of positives with their boxes.
    pub iou: Tensor,
}

/// Compares the maps of a batch with its targets.
#[must_use]
pub fn loss(maps: &Maps, batch: &Batch) -> Loss {
    let classes = maps.class.size()[1];
    let logits = maps.class.permute([0, 2, 3, 1]).reshape([-1, classes]);
    let t = maps.sides.permute([0, 2, 3, 1]).reshape([-1, 4]).index_select(0, &batch.cells);
    let distance = distances(&t);
    let (iou, giou) = overlap(&distance, &batch.sides);
    let n = batch.weights.sum(Kind::Float).clamp_min(1.);

    let quality = iou.detach().clamp_min(0.1);
    let at = Some(batch.cells.shallow_clone());
    let at = [at, Some(batch.classes.shallow_clone())];
    let wanted = logits.zeros_like().index_put(&at, &quality, false);
    // Negatives count by how sure the network is of them; positives by the quality of their box.
    let weight = logits.detach().sigmoid().square() * 0.75 * &batch.asked;
    let weight = weight.index_put(&at, &(&batch.weights * &quality * 2.), false);
    let class = logits.binary_cross_entropy_with_logits(&wanted, Some(weight), None::<Tensor>, Reduction::Sum) / &n;

    let boxes = ((1f64 - giou) * &batch.weights).sum(Kind::Float) / &n * 2.;
    let aim = (batch.sides.clamp_min(-7.8) / STRIDE as f64 + 1.).log();
    let sides = ((t - aim).abs().mean_dim([1i64].as_slice(), false, Kind::Float) * &batch.weights).sum(Kind::Float) / &n * 0.5;
    let mask = mask_loss(&maps.mask, &batch.mask);
    let look = maps.seen.as_ref().map_or_else(|| mask.zeros_like(), |seen| look_loss(seen, batch));
    let total = &class + &boxes + &sides + &mask + &look;
    Loss { total, parts: [class, boxes, sides, mask, look], iou: iou.detach().mean(Kind::Float) }
}

/// Cross-entropy of "this is a box to tick, and so much of it that it counts as found", and how far off the sides are.
fn look_loss(seen: &Seen, batch: &Batch) -> Tensor {
    let (near, wanted, asked) = nearest(seen, batch);
    let (iou, _) = overlap(&seen.sides.detach(), &wanted);
    let right = iou.ge(0.5).to_kind(Kind::Float) * &near;
    let class = seen.class.binary_cross_entropy_with_logits(&right, Some(&asked), None::<&Tensor>, Reduction::Sum);
    let off = ((&seen.sides - &wanted) / &seen.span).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float) * &near;
    class / asked.sum(Kind::Float).clamp_min(1.) * 4. + off.sum(Kind::Float) / (near.sum(Kind::Float) + 4.) * 4.
}

/// For each place looked at: 1 where a box to tick is near, the sides of that box, and 0 where no verdict is asked for.
fn nearest(seen: &Seen, batch: &Batch) -> (Tensor, Tensor, Tensor) {
    let cells: Vec<i64> = (&seen.cells).try_into().expect("indices are whole numbers");
    let proposed: Vec<f32> = seen.proposed.flatten(0, -1).try_into().expect("sides are float32");
    let each = batch.columns * batch.columns;
    let (mut near, mut wanted, mut asked) = (vec![], vec![], vec![]);
    for (&cell, s) in cells.iter().zip(proposed.as_chunks::<4>().0) {
        let (crop, cell) = (cell as usize / each, cell as usize % each);
        let [x, y] = [cell % batch.columns, cell / batch.columns].map(|i| (i as f32 + 0.5) * STRIDE as f32);
        let rect = [x - s[0], y - s[1], x + s[2], y + s[3]];
        let over = |(other, asked): &(Rect, bool)| (postprocess::overlap(rect, *other).0, *other, *asked);
        let best = batch.ticks[crop].iter().map(over).max_by(|a, b| a.0.total_cmp(&b.0)).filter(|best| best.0 >= NEAR);
        near.push(f32::from(u8::from(best.is_some_and(|(_, _, asked)| asked))));
        asked.push(f32::from(u8::from(best.is_none_or(|(_, _, asked)| asked))));
        wanted.extend(best.map_or(*s, |(_, other, _)| [x - other[0], y - other[1], other[2] - x, other[3] - y]));
    }
    (Tensor::from_slice(&near), Tensor::from_slice(&wanted).view([-1, 4]), Tensor::from_slice(&asked))
}

/// IoU and generalised IoU of boxes given by their distances from a common point, `[p, 4]` each.
fn overlap(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    // Left and top grow to the left and upward, so the same formula serves all four sides.
    let area = |s: &Tensor| {
        let sum = s.slice(1, 0, 2, 1) + s.slice(1, 2, 4, 1);
        sum.clamp_min(0.).prod_dim_int(1, false, Kind::Float)
    };
    let (inner, outer) = (area(&a.minimum(b)), area(&a.maximum(b)) + 1e-6);
    let union = area(a) + area(b) - &inner + 1e-6;
    let iou = &inner / &union;
    let giou = &iou - (&outer - &union) / &outer;
    (iou, giou)
}

/// Cross-entropy over the cores and the three times as many hardest cells of the ground, and the Dice coefficient.
fn mask_loss(logits: &Tensor, mask: &Tensor) -> Tensor {
    let (logits, mask) = (logits.flatten(0, -1), mask.flatten(0, -1));
    let valid = mask.ne(i64::from(IGNORED)).to_kind(Kind::Float);
    let core = mask.eq(1).to_kind(Kind::Float);
    let each = logits.binary_cross_entropy_with_logits(&core, None::<Tensor>, None::<Tensor>, Reduction::None);
    let cores = core.sum(Kind::Float).double_value(&[]);
    let ground = (&each * &valid * (1f64 - &core)).shallow_clone();
    let hard = ((3. * cores) as i64).clamp(1000, ground.size()[0]);
    let (worst, _) = ground.topk(hard, -1, true, false);
    let entropy = ((&each * &core).sum(Kind::Float) + worst.sum(Kind::Float)) / (cores + hard as f64);
    let p = logits.sigmoid() * &valid;
    let dice: Tensor = 1f64 - ((&p * &core).sum(Kind::Float) * 2. + 1.) / (p.sum(Kind::Float) + cores + 1.);
    entropy * 3. + dice
}
