//! Inverted residuals: widen, convolve each channel for itself, gate the channels, narrow. MobileNet and EfficientNet.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Activation, Conv, Layer, Shape},
    weights::Weights,
};

/// One block's measures.
#[derive(Clone, Copy)]
pub struct Spec {
    pub inputs: i64,
    /// Channels in the middle; as many as `inputs`: nothing widens.
    pub expanded: i64,
    pub outputs: i64,
    pub kernel: i64,
    pub stride: i64,
    /// Channels that the gate squeezes to; none: no gate.
    pub squeezed: Option<i64>,
    pub activation: Activation,
    /// In the gate: between its two layers, and at its end.
    pub gate: [Activation; 2],
    pub eps: f64,
}

/// The block as torchvision names it in MobileNet v3 and EfficientNet: `<name>.block.<i>`.
pub fn block(w: &Weights<'_>, name: &str, spec: Spec) -> Layer {
    let mut index = -1;
    let mut next = || {
        index += 1;
        format!("{name}.block.{index}")
    };
    let wider = spec.expanded != spec.inputs;
    let widen = wider.then(|| Conv::unit(w, &next(), Shape::new(spec.inputs, spec.expanded, 1), spec.eps));
    let depthwise = Conv::unit(w, &next(), Shape::depthwise(spec.expanded, spec.kernel).stride(spec.stride), spec.eps);
    let gate = spec.squeezed.map(|squeezed| gate(w, &next(), spec.expanded, squeezed, spec.gate));
    let narrow = Conv::unit(w, &next(), Shape::new(spec.expanded, spec.outputs, 1), spec.eps);
    residual(spec, widen, depthwise, gate, narrow)
}

/// The parts of a block put together; with a shortcut where in and out have one shape.
pub fn residual(spec: Spec, widen: Option<Conv>, depthwise: Conv, gate: Option<Layer>, narrow: Conv) -> Layer {
    let activation = spec.activation;
    let shortcut = spec.stride == 1 && spec.inputs == spec.outputs;
    Box::new(move |x| {
        let wide = widen.as_ref().map_or_else(|| x.shallow_clone(), |widen| activation(widen.apply(x)));
        let mut y = activation(depthwise.apply(&wide));
        if let Some(gate) = &gate {
            y *= gate(&y);
        }
        let y = narrow.apply(&y);
        if shortcut { y + x } else { y }
    })
}

/// How much of each channel passes, from the mean of all channels.
fn gate(w: &Weights<'_>, name: &str, channels: i64, squeezed: i64, [between, end]: [Activation; 2]) -> Layer {
    let squeeze = Conv::biased(w, &format!("{name}.fc1"), Shape::new(channels, squeezed, 1)).then(between);
    let spread = Conv::biased(w, &format!("{name}.fc2"), Shape::new(squeezed, channels, 1)).then(end);
    Box::new(move |x| spread(&squeeze(&x.adaptive_avg_pool2d([1, 1]))))
}

/// The multiple of 8 nearest to `channels`, and not more than a tenth below it.
#[must_use]
pub fn round_to_eight(channels: f64) -> i64 {
    let near = (((channels + 4.) as i64) / 8 * 8).max(8);
    if (near as f64) < channels * 0.9 { near + 8 } else { near }
}

pub fn relu6(mut x: Tensor) -> Tensor {
    x.clamp_(0., 6.)
}

pub fn silu(mut x: Tensor) -> Tensor {
    x.silu_()
}

pub fn hardswish(mut x: Tensor) -> Tensor {
    x.hardswish_()
}

pub fn hardsigmoid(mut x: Tensor) -> Tensor {
    x.hardsigmoid_()
}

pub fn sigmoid(mut x: Tensor) -> Tensor {
    x.sigmoid_()
}
