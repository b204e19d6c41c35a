//! MobileNet v2 and v3.

use super::inverted::{Spec, block, hardsigmoid, hardswish, relu6, residual, round_to_eight};
use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Shape, linear, pooled, relu, sequence},
    weights::Weights,
};

const V2_EPS: f64 = 1e-5;
const V3_EPS: f64 = 1e-3;

/// Widening, channels, blocks, stride of each stage.
const V2: [(i64, i64, i64, i64); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

pub fn v2(w: &Weights<'_>, classes: Option<i64>) -> Layer {
    let mut layers = vec![Conv::unit(w, "features.0", Shape::new(3, 32, 3).stride(2), V2_EPS).then(relu6)];
    let mut inputs = 32;
    for (wider, outputs, blocks, first) in V2 {
        for i in 0..blocks {
            let stride = if i == 0 { first } else { 1 };
            let spec = Spec {
                inputs,
                expanded: inputs * wider,
                outputs,
                kernel: 3,
                stride,
                squeezed: None,
                activation: relu6,
                gate: [linear, linear],
                eps: V2_EPS,
            };
            layers.push(v2_block(w, &format!("features.{}", layers.len()), spec));
            inputs = outputs;
        }
    }
    layers.push(Conv::unit(w, &format!("features.{}", layers.len()), Shape::new(inputs, 1280, 1), V2_EPS).then(relu6));
    layers.push(Box::new(pooled));
    layers.push(Linear::last(w, "classifier.1", 1280, classes));
    sequence(layers)
}

fn v2_block(w: &Weights<'_>, name: &str, spec: Spec) -> Layer {
    let part = |index: i64| format!("{name}.conv.{index}");
    let wider = spec.expanded != spec.inputs;
    let at = i64::from(wider);
    let widen = wider.then(|| Conv::unit(w, &part(0), Shape::new(spec.inputs, spec.expanded, 1), spec.eps));
    let depthwise = Conv::unit(w, &part(at), Shape::depthwise(spec.expanded, 3).stride(spec.stride), spec.eps);
    let narrow = Conv::normed(w, &part(at + 1), &part(at + 2), Shape::new(spec.expanded, spec.outputs, 1), spec.eps);
    residual(spec, widen, depthwise, None, narrow)
}

/// Kernel, channels in the middle, channels out, gated, hard swish, stride.
type Row = (i64, i64, i64, bool, bool, i64);

pub const V3_LARGE: &[Row] = &[
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];

pub const V3_SMALL: &[Row] = &[
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2),
    (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2),
    (5, 240, 40, true, true, 1),
    (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1),
    (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2),
    (5, 576, 96, true, true, 1),
    (5, 576, 96, true, true, 1),
];

/// `features`: channels before the last layer.
pub fn v3(w: &Weights<'_>, rows: &[Row], features: i64, classes: Option<i64>) -> Layer {
    let mut layers = vec![Conv::unit(w, "features.0", Shape::new(3, 16, 3).stride(2), V3_EPS).then(hardswish)];
    let mut inputs = 16;
    for &(kernel, expanded, outputs, gated, swish, stride) in rows {
        let squeezed = gated.then(|| round_to_eight((expanded / 4) as f64));
        let activation = if swish { hardswish } else { relu };
        let spec = Spec { inputs, expanded, outputs, kernel, stride, squeezed, activation, gate: [relu, hardsigmoid], eps: V3_EPS };
        layers.push(block(w, &format!("features.{}", layers.len()), spec));
        inputs = outputs;
    }
    let wide = inputs * 6;
    layers.push(Conv::unit(w, &format!("features.{}", layers.len()), Shape::new(inputs, wide, 1), V3_EPS).then(hardswish));
    layers.push(Box::new(pooled));
    layers.push(Linear::new(w, "classifier.0", wide, features).then(hardswish));
    layers.push(Linear::last(w, "classifier.3", features, classes));
    sequence(layers)
}
