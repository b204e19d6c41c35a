//! ConvNeXt.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, LayerNorm, Linear, Shape, linear, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-6;

/// `widths` and `depths`: channels and blocks of each stage.
pub fn build(w: &Weights<'_>, widths: [i64; 4], depths: [i64; 4], classes: Option<i64>) -> Layer {
    let stem = Conv::biased(w, "features.0.0", Shape::new(3, widths[0], 4).stride(4).padding(0));
    let norm = LayerNorm::new(w, "features.0.1", widths[0], EPS);
    let mut layers: Vec<Layer> = vec![Box::new(move |x| norm.over_channels(&stem.apply(x)))];
    for (stage, (width, depth)) in widths.into_iter().zip(depths).enumerate() {
        if stage > 0 {
            layers.push(halve(w, &format!("features.{}", stage * 2), widths[stage - 1], width));
        }
        let name = |i| format!("features.{}.{i}", stage * 2 + 1);
        layers.push(sequence((0..depth).map(|i| block(w, &name(i), width)).collect()));
    }
    let norm = LayerNorm::new(w, "classifier.0", widths[3], EPS);
    layers.push(Box::new(move |x| norm.over_channels(&x.adaptive_avg_pool2d([1, 1])).flatten(1, -1)));
    layers.push(Linear::last(w, "classifier.2", widths[3], classes));
    sequence(layers)
}

fn halve(w: &Weights<'_>, name: &str, inputs: i64, outputs: i64) -> Layer {
    let norm = LayerNorm::new(w, &format!("{name}.0"), inputs, EPS);
    let conv = Conv::biased(w, &format!("{name}.1"), Shape::new(inputs, outputs, 2).stride(2).padding(0));
    Box::new(move |x| conv.apply(&norm.over_channels(x)))
}

fn block(w: &Weights<'_>, name: &str, width: i64) -> Layer {
    let part = |index: i64| format!("{name}.block.{index}");
    let depthwise = Conv::biased(w, &part(0), Shape::depthwise(width, 7));
    let norm = LayerNorm::new(w, &part(2), width, EPS);
    let widen = Linear::new(w, &part(3), width, width * 4).then(gelu);
    let narrow = Linear::new(w, &part(5), width * 4, width).then(linear);
    let scale = w.place(&w.tensor(&format!("{name}.layer_scale"), &[width, 1, 1]));
    Box::new(move |x| {
        let y = norm.apply(&depthwise.apply(x).permute([0, 2, 3, 1]));
        let y = narrow(&widen(&y)).permute([0, 3, 1, 2]);
        y * &scale + x
    })
}

pub fn gelu(mut x: Tensor) -> Tensor {
    x.gelu_("none")
}
