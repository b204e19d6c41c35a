//! DenseNet: every layer sees the maps of all layers before it.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Norm, Shape, linear, max_pool, pooled, relu, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-5;
/// Channels of the 1x1 convolution, in growths.
const NECK: i64 = 4;

/// `growth`: channels that each layer adds; `depths`: layers of each block.
pub fn build(w: &Weights<'_>, growth: i64, depths: [i64; 4], classes: Option<i64>) -> Layer {
    let mut channels = growth * 2;
    let stem = Conv::normed(w, "features.conv0", "features.norm0", Shape::new(3, channels, 7).stride(2), EPS);
    let mut layers = vec![stem.then(relu), Box::new(|x: &Tensor| max_pool(x, 3, 2, 1, false)) as Layer];
    for (block, depth) in (1..).zip(depths) {
        for i in 1..=depth {
            layers.push(dense(w, &format!("features.denseblock{block}.denselayer{i}"), channels, growth));
            channels += growth;
        }
        if block < 4 {
            layers.push(transition(w, &format!("features.transition{block}"), channels));
            channels /= 2;
        }
    }
    let norm = Norm::new(w, "features.norm5", channels, EPS);
    layers.push(Box::new(move |x| pooled(&norm.relu(x))));
    layers.push(Linear::last(w, "classifier", channels, classes));
    sequence(layers)
}

fn dense(w: &Weights<'_>, name: &str, inputs: i64, growth: i64) -> Layer {
    let part = |part: &str| format!("{name}.{part}");
    let norm = Norm::new(w, &part("norm1"), inputs, EPS);
    let narrow = Conv::normed(w, &part("conv1"), &part("norm2"), Shape::new(inputs, growth * NECK, 1), EPS).then(relu);
    let grow = Conv::plain(w, &part("conv2"), Shape::new(growth * NECK, growth, 3)).then(linear);
    Box::new(move |x| Tensor::cat(&[x, &grow(&narrow(&norm.relu(x)))], 1))
}

fn transition(w: &Weights<'_>, name: &str, channels: i64) -> Layer {
    let norm = Norm::new(w, &format!("{name}.norm"), channels, EPS);
    let conv = Conv::plain(w, &format!("{name}.conv"), Shape::new(channels, channels / 2, 1));
    Box::new(move |x| conv.apply(&norm.relu(x)).avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None))
}
