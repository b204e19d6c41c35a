//! Vision transformers.

use tch::Tensor;

use super::convnext::gelu;
use crate::vision::torch::{
    layers::{Conv, Layer, LayerNorm, Linear, Shape, linear, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-6;

/// The measures of a transformer.
#[derive(Clone, Copy)]
pub struct Size {
    pub depth: i64,
    pub heads: i64,
    pub width: i64,
}

pub const BASE: Size = Size { depth: 12, heads: 12, width: 768 };
pub const LARGE: Size = Size { depth: 24, heads: 16, width: 1024 };

/// `patch`: side of a patch; `side`: side of the picture, both in pixels. Positions are learnt for that many patches.
pub fn build(w: &Weights<'_>, size: Size, patch: i64, side: i64, classes: Option<i64>) -> Layer {
    let Size { depth, width, .. } = size;
    let project = Conv::biased(w, "conv_proj", Shape::new(3, width, patch).stride(patch).padding(0));
    let class = w.place(&w.tensor("class_token", &[1, 1, width]));
    let positions = w.place(&w.tensor("encoder.pos_embedding", &[1, (side / patch).pow(2) + 1, width]));
    let tokens = move |x: &Tensor| {
        let patches = project.apply(x).flatten(2, 3).transpose(1, 2);
        let class = class.expand([patches.size()[0], 1, width], false);
        Tensor::cat(&[class, patches], 1) + &positions
    };
    let mut layers: Vec<Layer> = vec![Box::new(tokens)];
    layers.extend((0..depth).map(|i| block(w, &format!("encoder.layers.encoder_layer_{i}"), size)));
    let norm = LayerNorm::new(w, "encoder.ln", width, EPS);
    layers.push(Box::new(move |x| norm.apply(&x.select(1, 0))));
    layers.push(Linear::last(w, "heads.head", width, classes));
    sequence(layers)
}

fn block(w: &Weights<'_>, name: &str, size: Size) -> Layer {
    let width = size.width;
    let part = |part: &str| format!("{name}.{part}");
    let (before, after) = (LayerNorm::new(w, &part("ln_1"), width, EPS), LayerNorm::new(w, &part("ln_2"), width, EPS));
    let attend = attention(w, &part("self_attention"), size);
    let widen = Linear::new(w, &part("mlp.0"), width, width * 4).then(gelu);
    let narrow = Linear::new(w, &part("mlp.3"), width * 4, width).then(linear);
    Box::new(move |x| {
        let x = attend(&before.apply(x)) + x;
        narrow(&widen(&after.apply(&x))) + x
    })
}

fn attention(w: &Weights<'_>, name: &str, Size { heads, width, .. }: Size) -> Layer {
    let into = Linear::named(w, &format!("{name}.in_proj_weight"), &format!("{name}.in_proj_bias"), width, width * 3);
    let out = Linear::new(w, &format!("{name}.out_proj"), width, width);
    Box::new(move |x| {
        let (n, length) = (x.size()[0], x.size()[1]);
        // [n, length, 3 * width] to query, key and value of [n, heads, length, width / heads] each.
        let parts = into.apply(x).view([n, length, 3, heads, width / heads]).permute([2, 0, 3, 1, 4]);
        let (query, key, value) = (parts.select(0, 0), parts.select(0, 1), parts.select(0, 2));
        let y = Tensor::scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0., false, None, false);
        out.apply(&y.transpose(1, 2).reshape([n, length, width]))
    })
}
