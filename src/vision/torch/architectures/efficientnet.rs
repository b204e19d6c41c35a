//! EfficientNet B0 to B7 as torchvision computes them: symmetric padding.

use super::inverted::{Spec, block, round_to_eight, sigmoid, silu};
use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Shape, pooled, sequence},
    weights::Weights,
};

/// Widening, kernel, stride, channels in and out, blocks of each stage of B0.
const STAGES: [(i64, i64, i64, i64, i64, i64); 7] = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
];

/// `width` and `depth`: how many times the channels and blocks of B0.
pub fn build(w: &Weights<'_>, width: f64, depth: f64, eps: f64, classes: Option<i64>) -> Layer {
    let wide = |channels: i64| round_to_eight(channels as f64 * width);
    let mut layers = vec![Conv::unit(w, "features.0", Shape::new(3, wide(32), 3).stride(2), eps).then(silu)];
    for (wider, kernel, first, inputs, outputs, blocks) in STAGES {
        let (stage, outputs) = (layers.len(), wide(outputs));
        let one = |i: i64| {
            let (inputs, stride) = if i == 0 { (wide(inputs), first) } else { (outputs, 1) };
            let (expanded, squeezed) = (round_to_eight((inputs * wider) as f64), Some((inputs / 4).max(1)));
            let spec = Spec { inputs, expanded, outputs, kernel, stride, squeezed, activation: silu, gate: [silu, sigmoid], eps };
            block(w, &format!("features.{stage}.{i}"), spec)
        };
        layers.push(sequence((0..(blocks as f64 * depth).ceil() as i64).map(one).collect()));
    }
    let (inputs, outputs) = (wide(320), wide(320) * 4);
    layers.push(Conv::unit(w, &format!("features.{}", layers.len()), Shape::new(inputs, outputs, 1), eps).then(silu));
    layers.push(Box::new(pooled));
    layers.push(Linear::last(w, "classifier.1", outputs, classes));
    sequence(layers)
}
