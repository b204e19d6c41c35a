//! The `elements` network: 0.9 M parameters, plain convolutions, one detection map at stride 8 and a text mask at stride 4.
//!
//! One map for every size of box is on purpose: choosing the map by box size would send long thin lines to coarse
//! maps that cannot tell rows 12 pixels apart. The stem goes straight to stride 4, because the stride-2 map is most of
//! what a network of this kind costs to train on a CPU.

use tch::{
    Kind, Tensor,
    nn::{self, Init},
};

use super::second::{self, SecondLook, Seen};

/// Cells of the detection map are this many pixels apart.
pub const STRIDE: usize = 8;
/// Cells of the text mask are this many pixels apart.
pub const MASK_STRIDE: usize = 4;
/// Both sides of an input are multiples of this.
pub const MULTIPLE: usize = 64;

const BN_EPS: f64 = 1e-3;
const BN_MOMENTUM: f64 = 0.03;

/// What one forward pass gives, all in float32.
#[derive(Debug)]
pub struct Maps {
    /// `[n, classes, h/8, w/8]`, logits.
    pub class: Tensor,
    /// `[n, 4, h/8, w/8]`: left, top, right, bottom of the cell's box, as `t` with `distance = 8 (exp(t) - 1)` pixels.
    pub sides: Tensor,
    /// `[n, 1, h/4, w/4]`, logits of "inside the core of a text line".
    pub mask: Tensor,
    /// When training: what was looked at a second time. When serving it is in the maps already.
    pub seen: Option<Seen>,
}

/// How the convolutions are computed. Statistics, heads' outputs and the loss are always float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// float32 everywhere.
    Full,
    /// bfloat16 convolutions: about half the time where the CPU has `avx512_bf16`, far slower where it has not.
    Brain,
}

impl Precision {
    /// bfloat16 where the CPU computes it natively.
    #[must_use]
    pub fn of_this_cpu() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bf16") {
            return Self::Brain;
        }
        Self::Full
    }

    /// Of the numbers that convolutions take.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Full => Kind::Float,
            Self::Brain => Kind::BFloat16,
        }
    }
}

impl From<Kind> for Precision {
    fn from(kind: Kind) -> Self {
        if kind == Kind::BFloat16 { Self::Brain } else { Self::Full }
    }
}

/// Convolution, batch normalisation, SiLU.
#[derive(Debug)]
pub struct Cba {
    weight: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    stride: i64,
    padding: i64,
    /// Weight and bias with the normalisation multiplied in; set by [`Elements::fold`].
    folded: Option<(Tensor, Tensor)>,
}

impl Cba {
    /// Registers its parameters below `path`.
    #[must_use]
    pub fn new(path: &nn::Path<'_>, inputs: i64, outputs: i64, kernel: i64, stride: i64, padding: i64) -> Self {
        let norm = path.set_group(1) / "bn";
        Self {
            weight: (path / "conv").var("weight", &[outputs, inputs, kernel, kernel], nn::init::DEFAULT_KAIMING_NORMAL),
            scale: norm.var("weight", &[outputs], Init::Const(1.)),
            shift: norm.var("bias", &[outputs], Init::Const(0.)),
            mean: norm.zeros_no_train("running_mean", &[outputs]),
            variance: norm.ones_no_train("running_var", &[outputs]),
            stride,
            padding,
            folded: None,
        }
    }

    /// Kernel `k` with the padding that keeps the size.
    fn same(path: &nn::Path<'_>, inputs: i64, outputs: i64, kernel: i64) -> Self {
        Self::new(path, inputs, outputs, kernel, 1, kernel / 2)
    }

    /// `x` in the precision's kind; the result too.
    pub fn forward(&self, x: &Tensor, train: bool, precision: Precision) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        if let Some((weight, bias)) = &self.folded {
            return x.conv2d(weight, Some(bias), stride, padding, [1, 1], 1).silu_();
        }
        let y = x.conv2d(&self.weight.to_kind(precision.kind()), None::<Tensor>, stride, padding, [1, 1], 1);
        y.batch_norm(Some(&self.scale), Some(&self.shift), Some(&self.mean), Some(&self.variance), train, BN_MOMENTUM, BN_EPS, false).silu()
    }

    fn fold(&mut self, kind: Kind) {
        let factor = &self.scale / (&self.variance + BN_EPS).sqrt();
        let weight = &self.weight * factor.view([-1, 1, 1, 1]);
        let bias = &self.shift - &self.mean * factor;
        self.folded = Some((weight.detach().to_kind(kind), bias.detach().to_kind(kind)));
    }
}

/// `x + 3x3(1x1(x))`, the middle half as wide.
#[derive(Debug)]
struct Residual {
    a: Cba,
    b: Cba,
}

impl Residual {
    fn new(path: &nn::Path<'_>, width: i64) -> Self {
        Self { a: Cba::same(&(path / "a"), width, width / 2, 1), b: Cba::same(&(path / "b"), width / 2, width, 3) }
    }

    fn forward(&self, x: &Tensor, train: bool, precision: Precision) -> Tensor {
        x + self.b.forward(&self.a.forward(x, train, precision), train, precision)
    }
}

/// A last 1x1 convolution: small weights and a chosen bias, so that the first losses are finite.
#[derive(Debug)]
pub struct Out {
    weight: Tensor,
    bias: Tensor,
}

impl Out {
    /// Registers its parameters below `path`; all its biases begin with `bias`.
    #[must_use]
    pub fn new(path: &nn::Path<'_>, inputs: i64, outputs: i64, bias: f64) -> Self {
        let weight = path.var("weight", &[outputs, inputs, 1, 1], Init::Randn { mean: 0., stdev: 0.01 });
        Self { weight, bias: path.set_group(1).var("bias", &[outputs], Init::Const(bias)) }
    }

    /// In float32.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.to_kind(Kind::Float).conv2d(&self.weight, Some(&self.bias), [1, 1], [0, 0], [1, 1], 1)
    }
}

const WIDTHS: [i64; 5] = [32, 56, 96, 128, 128];
const DEPTHS: [i64; 5] = [1, 2, 2, 2, 1];
const NECK: i64 = 56;
const MASK_WIDTH: i64 = 24;

/// The network. Parameter names are the paths below (`stem.conv.weight`, `blocks.2.0.a.bn.bias`, …).
#[derive(Debug)]
pub struct Elements {
    stem: Cba,
    down: Vec<Cba>,
    blocks: Vec<Vec<Residual>>,
    lateral: Vec<Cba>,
    fuse: Vec<Cba>,
    head: [Cba; 3],
    class: Out,
    sides: Out,
    mask_deep: Cba,
    mask_fine: Cba,
    mask_mix: Cba,
    mask: Out,
    /// Where there is a class for it to look at.
    look: Option<SecondLook>,
}

impl Elements {
    /// Registers the parameters below `path` for `classes` classes.
    #[must_use]
    pub fn new(path: &nn::Path<'_>, classes: usize) -> Self {
        let numbered = |name: &str, i: usize| path / name / i;
        let blocks =
            |(i, (&width, &depth)): (usize, (&i64, &i64))| (0..depth).map(|j| Residual::new(&(numbered("blocks", i) / j), width)).collect();
        Self {
            stem: Cba::new(&(path / "stem"), 3, WIDTHS[0], 6, 4, 1),
            down: (0..4).map(|i| Cba::new(&numbered("down", i), WIDTHS[i], WIDTHS[i + 1], 3, 2, 1)).collect(),
            blocks: WIDTHS.iter().zip(&DEPTHS).enumerate().map(blocks).collect(),
            lateral: (0..4).map(|i| Cba::same(&numbered("lat", i), WIDTHS[i + 1], NECK, 1)).collect(),
            fuse: (0..3).map(|i| Cba::same(&numbered("fuse", i), NECK, NECK, 3)).collect(),
            head: ["hs", "hc", "hr"].map(|name| Cba::same(&(path / name), NECK, NECK, 3)),
            class: Out::new(&(path / "cls"), NECK, classes as i64, -(99f64.ln())),
            sides: Out::new(&(path / "reg"), NECK, 4, 1.),
            mask_deep: Cba::same(&(path / "sl"), NECK, MASK_WIDTH, 1),
            mask_fine: Cba::same(&(path / "st"), WIDTHS[0], MASK_WIDTH, 1),
            mask_mix: Cba::same(&(path / "s3"), MASK_WIDTH, MASK_WIDTH, 3),
            mask: Out::new(&(path / "seg"), MASK_WIDTH, 1, -2.),
            look: (classes as i64 > second::CLASS).then(|| SecondLook::new(&(path / "look"), NECK)),
        }
    }

    /// `picture`: `[n, 3, h, w]`, RGB / 255, sides multiples of [`MULTIPLE`], best in channels-last order.
    #[must_use]
    pub fn forward(&self, picture: &Tensor, train: bool, precision: Precision) -> Maps {
        let (mut maps, told) = self.detect(picture, train, precision);
        if let Some(look) = &self.look {
            let seen = look.look(picture, &maps, &told, train, precision);
            if train {
                maps.seen = seen;
            } else {
                second::settle(&mut maps, seen.as_ref());
            }
        }
        maps
    }

    /// To train the second look alone: the maps as they are when serving, without a gradient, and what was looked at.
    #[must_use]
    pub fn look(&self, picture: &Tensor, precision: Precision) -> Maps {
        let (mut maps, told) = tch::no_grad(|| self.detect(picture, false, precision));
        maps.seen = self.look.as_ref().and_then(|look| look.look(picture, &maps, &told, true, precision));
        maps
    }

    /// The first look, and what its classes are told by.
    fn detect(&self, picture: &Tensor, train: bool, precision: Precision) -> (Maps, Tensor) {
        let run = |layer: &Cba, x: &Tensor| layer.forward(x, train, precision);
        let mut x = run(&self.stem, &picture.to_kind(precision.kind()));
        let mut levels = Vec::with_capacity(5);
        for (i, blocks) in self.blocks.iter().enumerate() {
            if i > 0 {
                x = run(&self.down[i - 1], &x);
            }
            for block in blocks {
                x = block.forward(&x, train, precision);
            }
            levels.push(x.shallow_clone());
        }
        let mut p = run(&self.lateral[3], &levels[4]);
        for i in (0..3).rev() {
            p = run(&self.fuse[i], &(run(&self.lateral[i], &levels[i + 1]) + double(&p)));
        }
        let h = run(&self.head[0], &p);
        let deep = double(&run(&self.mask_deep, &h));
        let mask = self.mask.forward(&run(&self.mask_mix, &(run(&self.mask_fine, &levels[0]) + deep)));
        let told = run(&self.head[1], &h);
        let (class, sides) = (self.class.forward(&told), self.sides.forward(&run(&self.head[2], &h)));
        (Maps { class, sides, mask, seen: None }, told)
    }

    /// Multiplies every normalisation into its convolution: the same numbers with half the passes over memory.
    /// Call once, after loading; the network cannot be trained afterwards, and computes in `precision` only.
    pub fn fold(&mut self, precision: Precision) {
        let single = [&mut self.stem, &mut self.mask_deep, &mut self.mask_fine, &mut self.mask_mix];
        let residual = self.blocks.iter_mut().flatten().flat_map(|block| [&mut block.a, &mut block.b]);
        let lists = self.down.iter_mut().chain(&mut self.lateral).chain(&mut self.fuse).chain(&mut self.head);
        let lists = lists.chain(self.look.iter_mut().flat_map(SecondLook::layers));
        tch::no_grad(|| single.into_iter().chain(residual).chain(lists).for_each(|layer| layer.fold(precision.kind())));
    }
}

/// Twice as high and wide, nearest neighbour.
fn double(x: &Tensor) -> Tensor {
    let (_, _, h, w) = x.size4().expect("a map has four dimensions by construction");
    x.upsample_nearest2d([h * 2, w * 2], None, None)
}
