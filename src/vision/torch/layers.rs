//! What networks are made of: layers that take their weights out of a file by torchvision's names, for serving only.
//!
//! A batch normalisation after a convolution is multiplied into it: the same numbers with half the passes over memory.

use tch::Tensor;

use super::weights::Weights;

/// A step of a network, with its weights.
pub type Layer = Box<dyn Fn(&Tensor) -> Tensor + Send>;

/// What follows a convolution; free to work in place.
pub type Activation = fn(Tensor) -> Tensor;

/// Steps one after the other.
#[must_use]
pub fn sequence(layers: Vec<Layer>) -> Layer {
    Box::new(move |x| layers.iter().fold(x.shallow_clone(), |x, layer| layer(&x)))
}

/// max(0, x).
pub fn relu(mut x: Tensor) -> Tensor {
    x.relu_()
}

/// Nothing.
pub fn linear(x: Tensor) -> Tensor {
    x
}

/// The mean over the map, `[n, channels]`.
pub fn pooled(x: &Tensor) -> Tensor {
    x.adaptive_avg_pool2d([1, 1]).flatten(1, -1)
}

/// The greatest of a square of `kernel`.
pub fn max_pool(x: &Tensor, kernel: i64, stride: i64, padding: i64, ceil: bool) -> Tensor {
    x.max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1, 1], ceil)
}

/// The shape of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    inputs: i64,
    outputs: i64,
    kernel: [i64; 2],
    stride: i64,
    padding: [i64; 2],
    groups: i64,
}

impl Shape {
    /// A square kernel, with the padding that keeps the size.
    #[must_use]
    pub fn new(inputs: i64, outputs: i64, kernel: i64) -> Self {
        Self::oblong(inputs, outputs, [kernel; 2])
    }

    /// A kernel of so many rows and columns, with the padding that keeps the size.
    #[must_use]
    pub fn oblong(inputs: i64, outputs: i64, kernel: [i64; 2]) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: kernel.map(|side| side / 2), groups: 1 }
    }

    /// Each channel for itself.
    #[must_use]
    pub fn depthwise(channels: i64, kernel: i64) -> Self {
        Self { groups: channels, ..Self::new(channels, channels, kernel) }
    }

    /// Steps of so many pixels.
    #[must_use]
    pub fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    /// Another padding on each side.
    #[must_use]
    pub fn padding(self, padding: i64) -> Self {
        Self { padding: [padding; 2], ..self }
    }
}

/// A convolution.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    shape: Shape,
}

impl Conv {
    /// With a bias.
    #[must_use]
    pub fn biased(w: &Weights<'_>, name: &str, shape: Shape) -> Self {
        let (weight, bias) = (kernel(w, name, shape), w.tensor(&format!("{name}.bias"), &[shape.outputs]));
        Self { weight: w.place(&weight), bias: Some(w.place(&bias)), shape }
    }

    /// Without a bias.
    #[must_use]
    pub fn plain(w: &Weights<'_>, name: &str, shape: Shape) -> Self {
        Self { weight: w.place(&kernel(w, name, shape)), bias: None, shape }
    }

    /// Without a bias, normalised by `norm`.
    #[must_use]
    pub fn normed(w: &Weights<'_>, name: &str, norm: &str, shape: Shape, eps: f64) -> Self {
        Self::folded(w, kernel(w, name, shape), None, norm, shape, eps)
    }

    /// With a bias, normalised by `norm`.
    #[must_use]
    pub fn biased_normed(w: &Weights<'_>, name: &str, norm: &str, shape: Shape, eps: f64) -> Self {
        let bias = w.tensor(&format!("{name}.bias"), &[shape.outputs]);
        Self::folded(w, kernel(w, name, shape), Some(bias), norm, shape, eps)
    }

    /// torchvision's `Conv2dNormActivation`: `<name>.0` is the convolution, `<name>.1` its normalisation.
    #[must_use]
    pub fn unit(w: &Weights<'_>, name: &str, shape: Shape, eps: f64) -> Self {
        Self::normed(w, &format!("{name}.0"), &format!("{name}.1"), shape, eps)
    }

    fn folded(w: &Weights<'_>, weight: Tensor, bias: Option<Tensor>, norm: &str, shape: Shape, eps: f64) -> Self {
        let (factor, shift) = Norm::affine(w, norm, shape.outputs, eps);
        let shift = bias.map_or(shift.shallow_clone(), |bias| bias * &factor + &shift);
        Self { weight: w.place(&(weight * factor.view([-1, 1, 1, 1]))), bias: Some(w.place(&shift)), shape }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, h', w']`.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        let Shape { stride, padding, groups, .. } = self.shape;
        x.conv2d(&self.weight, self.bias.as_ref(), [stride; 2], padding, [1, 1], groups)
    }

    /// The layer that convolves and then activates.
    #[must_use]
    pub fn then(self, activation: Activation) -> Layer {
        Box::new(move |x| activation(self.apply(x)))
    }
}

fn kernel(w: &Weights<'_>, name: &str, shape: Shape) -> Tensor {
    let [rows, columns] = shape.kernel;
    w.tensor(&format!("{name}.weight"), &[shape.outputs, shape.inputs / shape.groups, rows, columns])
}

/// A batch normalisation that no convolution precedes.
#[derive(Debug)]
pub struct Norm {
    factor: Tensor,
    shift: Tensor,
}

impl Norm {
    /// Of so many channels.
    #[must_use]
    pub fn new(w: &Weights<'_>, name: &str, channels: i64, eps: f64) -> Self {
        let (factor, shift) = Self::affine(w, name, channels, eps);
        let map = |tensor: &Tensor| w.place(&tensor.view([1, -1, 1, 1]));
        Self { factor: map(&factor), shift: map(&shift) }
    }

    /// Factor and shift of each channel.
    fn affine(w: &Weights<'_>, name: &str, channels: i64, eps: f64) -> (Tensor, Tensor) {
        let part = |part: &str| w.tensor(&format!("{name}.{part}"), &[channels]);
        let factor = part("weight") / (part("running_var") + eps).sqrt();
        let shift = part("bias") - part("running_mean") * &factor;
        (factor, shift)
    }

    /// Normalises, and drops what is below 0.
    pub fn relu(&self, x: &Tensor) -> Tensor {
        relu(self.shift.addcmul(x, &self.factor))
    }
}

/// A layer normalisation over the last dimension.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
    eps: f64,
}

impl LayerNorm {
    /// Over so many numbers.
    #[must_use]
    pub fn new(w: &Weights<'_>, name: &str, width: i64, eps: f64) -> Self {
        let part = |part: &str| w.place(&w.tensor(&format!("{name}.{part}"), &[width]));
        Self { weight: part("weight"), bias: part("bias"), width, eps }
    }

    /// `[…, width]` to the same.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.layer_norm([self.width], Some(&self.weight), Some(&self.bias), self.eps, true)
    }

    /// The same over the channels of a map, `[n, width, h, w]`.
    pub fn over_channels(&self, x: &Tensor) -> Tensor {
        self.apply(&x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
    }
}

/// A fully connected layer.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// `<name>.weight` and `<name>.bias`.
    #[must_use]
    pub fn new(w: &Weights<'_>, name: &str, inputs: i64, outputs: i64) -> Self {
        Self::named(w, &format!("{name}.weight"), &format!("{name}.bias"), inputs, outputs)
    }

    /// With names of their own.
    #[must_use]
    pub fn named(w: &Weights<'_>, weight: &str, bias: &str, inputs: i64, outputs: i64) -> Self {
        Self { weight: w.place(&w.tensor(weight, &[outputs, inputs])), bias: w.place(&w.tensor(bias, &[outputs])) }
    }

    /// The last layer of a classifier; nothing where the features before it are wanted, whatever the file holds there.
    #[must_use]
    pub fn last(w: &Weights<'_>, name: &str, inputs: i64, classes: Option<i64>) -> Layer {
        match classes {
            Some(classes) if w.has_classes(name, classes) => Self::new(w, name, inputs, classes).then(linear),
            _ => {
                w.ignore(&format!("{name}."));
                Box::new(Tensor::shallow_clone)
            }
        }
    }

    /// `[…, inputs]` to `[…, outputs]`.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }

    /// The layer that multiplies and then activates.
    #[must_use]
    pub fn then(self, activation: Activation) -> Layer {
        Box::new(move |x| activation(self.apply(x)))
    }
}
