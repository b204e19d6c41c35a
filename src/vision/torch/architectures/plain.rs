//! AlexNet and VGG: convolutions and pooling in a row, then three fully connected layers.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Shape, max_pool, relu, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-5;

/// `stages`: convolutions before each halving; `norm`: whether each is normalised.
pub fn vgg(w: &Weights<'_>, stages: [i64; 5], norm: bool, classes: Option<i64>) -> Layer {
    let mut layers: Vec<Layer> = Vec::new();
    // torchvision numbers every module: convolution, normalisation, activation, pooling.
    let (mut index, mut inputs) = (0, 3);
    for (width, depth) in [64, 128, 256, 512, 512].into_iter().zip(stages) {
        for _ in 0..depth {
            let (name, shape) = (format!("features.{index}"), Shape::new(inputs, width, 3));
            let conv = if norm {
                Conv::biased_normed(w, &name, &format!("features.{}", index + 1), shape, EPS)
            } else {
                Conv::biased(w, &name, shape)
            };
            layers.push(conv.then(relu));
            index += if norm { 3 } else { 2 };
            inputs = width;
        }
        layers.push(Box::new(|x| max_pool(x, 2, 2, 0, false)));
        index += 1;
    }
    layers.push(flat(7));
    layers.push(Linear::new(w, "classifier.0", 512 * 49, 4096).then(relu));
    layers.push(Linear::new(w, "classifier.3", 4096, 4096).then(relu));
    layers.push(Linear::last(w, "classifier.6", 4096, classes));
    sequence(layers)
}

pub fn alexnet(w: &Weights<'_>, classes: Option<i64>) -> Layer {
    let conv = |index: i64, shape| Conv::biased(w, &format!("features.{index}"), shape).then(relu);
    let pool = || Box::new(|x: &Tensor| max_pool(x, 3, 2, 0, false)) as Layer;
    sequence(vec![
        conv(0, Shape::new(3, 64, 11).stride(4).padding(2)),
        pool(),
        conv(3, Shape::new(64, 192, 5)),
        pool(),
        conv(6, Shape::new(192, 384, 3)),
        conv(8, Shape::new(384, 256, 3)),
        conv(10, Shape::new(256, 256, 3)),
        pool(),
        flat(6),
        Linear::new(w, "classifier.1", 256 * 36, 4096).then(relu),
        Linear::new(w, "classifier.4", 4096, 4096).then(relu),
        Linear::last(w, "classifier.6", 4096, classes),
    ])
}

/// The map at `side` x `side`, in a row.
fn flat(side: i64) -> Layer {
    Box::new(move |x| x.adaptive_avg_pool2d([side, side]).flatten(1, -1))
}
