//! SqueezeNet 1.0 and 1.1.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, Shape, max_pool, pooled, relu, sequence},
    weights::Weights,
};

/// 1.0, whose stem is wide; otherwise 1.1.
pub fn build(w: &Weights<'_>, first: bool, classes: Option<i64>) -> Layer {
    let stem = if first { Shape::new(3, 96, 7) } else { Shape::new(3, 64, 3) };
    let mut layers: Vec<Layer> = vec![Conv::biased(w, "features.0", stem.stride(2).padding(0)).then(relu)];
    // The index that torchvision gives to each halving of the map.
    let halvings: &[i64] = if first { &[2, 6, 11] } else { &[2, 5, 8] };
    let mut inputs = if first { 96 } else { 64 };
    let mut fires = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)].into_iter();
    for index in 2..13 {
        if halvings.contains(&index) {
            layers.push(Box::new(|x: &Tensor| max_pool(x, 3, 2, 0, true)));
        } else if let Some((narrow, wide)) = fires.next() {
            layers.push(fire(w, &format!("features.{index}"), inputs, narrow, wide));
            inputs = wide * 2;
        }
    }
    match classes {
        Some(classes) if w.has_classes("classifier.1", classes) => {
            layers.push(Conv::biased(w, "classifier.1", Shape::new(512, classes, 1)).then(relu));
        }
        _ => w.ignore("classifier."),
    }
    layers.push(Box::new(pooled));
    sequence(layers)
}

fn fire(w: &Weights<'_>, name: &str, inputs: i64, narrow: i64, wide: i64) -> Layer {
    let conv = |part: &str, shape| Conv::biased(w, &format!("{name}.{part}"), shape).then(relu);
    let squeeze = conv("squeeze", Shape::new(inputs, narrow, 1));
    let (one, three) = (conv("expand1x1", Shape::new(narrow, wide, 1)), conv("expand3x3", Shape::new(narrow, wide, 3)));
    Box::new(move |x| {
        let x = squeeze(x);
        Tensor::cat(&[one(&x), three(&x)], 1)
    })
}
