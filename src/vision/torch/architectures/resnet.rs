//! ResNet as torchvision and timm name and compute it: a bottleneck's stride is in its 3x3 convolution.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Shape, linear, max_pool, pooled, relu, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-5;

/// What a stage repeats.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1, which gives four times the width.
    Bottleneck,
}

/// `depths`: blocks of each stage.
pub fn build(w: &Weights<'_>, block: Block, depths: [i64; 4], classes: Option<i64>) -> Layer {
    let stem = Conv::normed(w, "conv1", "bn1", Shape::new(3, 64, 7).stride(2), EPS);
    let mut layers = vec![stem.then(relu), Box::new(|x: &Tensor| max_pool(x, 3, 2, 1, false)) as Layer];
    let mut inputs = 64;
    for (stage, depth) in (1..).zip(depths) {
        let width = 32 << stage;
        for i in 0..depth {
            let stride = if stage > 1 && i == 0 { 2 } else { 1 };
            layers.push(residual(w, &format!("layer{stage}.{i}"), block, inputs, width, stride));
            inputs = if block == Block::Basic { width } else { width * 4 };
        }
    }
    layers.push(Box::new(pooled));
    layers.push(Linear::last(w, "fc", inputs, classes));
    sequence(layers)
}

fn residual(w: &Weights<'_>, name: &str, block: Block, inputs: i64, width: i64, stride: i64) -> Layer {
    let conv = |i: i64, shape| Conv::normed(w, &format!("{name}.conv{i}"), &format!("{name}.bn{i}"), shape, EPS);
    let (branch, outputs) = match block {
        Block::Basic => {
            let first = conv(1, Shape::new(inputs, width, 3).stride(stride));
            (vec![first.then(relu), conv(2, Shape::new(width, width, 3)).then(linear)], width)
        }
        Block::Bottleneck => {
            let (narrow, middle) = (conv(1, Shape::new(inputs, width, 1)), conv(2, Shape::new(width, width, 3).stride(stride)));
            (vec![narrow.then(relu), middle.then(relu), conv(3, Shape::new(width, width * 4, 1)).then(linear)], width * 4)
        }
    };
    let branch = sequence(branch);
    let other_shape = stride != 1 || inputs != outputs;
    let shortcut = other_shape.then(|| Conv::unit(w, &format!("{name}.downsample"), Shape::new(inputs, outputs, 1).stride(stride), EPS));
    Box::new(move |x| {
        let kept = shortcut.as_ref().map_or_else(|| x.shallow_clone(), |shortcut| shortcut.apply(x));
        relu(branch(x) + kept)
    })
}
