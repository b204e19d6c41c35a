//! Networks by torchvision's names, computed as torchvision computes them; one file a family.
//!
//! tch's own `vision` is exact for some of these and silently wrong for others (densenet, efficientnet, alexnet), and
//! checks no shapes; these are short, fold their normalisations, and run in bfloat16 too.

mod convnext;
mod densenet;
mod efficientnet;
mod inception;
mod inverted;
mod mobilenet;
mod plain;
mod resnet;
mod squeezenet;
mod vit;

use super::{layers::Layer, weights::Weights};
use resnet::Block;

/// The network called `name` with the weights of a file: `[n, 3, side, side]` to logits of `classes`, or to the features
/// before the last layer when there are none. None when the name is not known; what is wrong with the file is noted in it.
#[must_use]
pub fn build(name: &str, w: &Weights<'_>, classes: Option<i64>, side: i64) -> Option<Layer> {
    const CONVNEXT: [i64; 4] = [96, 192, 384, 768];
    Some(match name {
        "alexnet" => plain::alexnet(w, classes),
        "convnext_tiny" => convnext::build(w, CONVNEXT, [3, 3, 9, 3], classes),
        "convnext_small" => convnext::build(w, CONVNEXT, [3, 3, 27, 3], classes),
        "convnext_base" => convnext::build(w, [128, 256, 512, 1024], [3, 3, 27, 3], classes),
        "convnext_large" => convnext::build(w, [192, 384, 768, 1536], [3, 3, 27, 3], classes),
        "densenet121" => densenet::build(w, 32, [6, 12, 24, 16], classes),
        "densenet161" => densenet::build(w, 48, [6, 12, 36, 24], classes),
        "densenet169" => densenet::build(w, 32, [6, 12, 32, 32], classes),
        "densenet201" => densenet::build(w, 32, [6, 12, 48, 32], classes),
        "efficientnet_b0" => efficientnet::build(w, 1.0, 1.0, 1e-5, classes),
        "efficientnet_b1" => efficientnet::build(w, 1.0, 1.1, 1e-5, classes),
        "efficientnet_b2" => efficientnet::build(w, 1.1, 1.2, 1e-5, classes),
        "efficientnet_b3" => efficientnet::build(w, 1.2, 1.4, 1e-5, classes),
        "efficientnet_b4" => efficientnet::build(w, 1.4, 1.8, 1e-5, classes),
        "efficientnet_b5" => efficientnet::build(w, 1.6, 2.2, 1e-3, classes),
        "efficientnet_b6" => efficientnet::build(w, 1.8, 2.6, 1e-3, classes),
        "efficientnet_b7" => efficientnet::build(w, 2.0, 3.1, 1e-3, classes),
        "inception_v3" => inception::build(w, classes),
        "mobilenet_v2" => mobilenet::v2(w, classes),
        "mobilenet_v3_small" => mobilenet::v3(w, mobilenet::V3_SMALL, 1024, classes),
        "mobilenet_v3_large" => mobilenet::v3(w, mobilenet::V3_LARGE, 1280, classes),
        "resnet18" => resnet::build(w, Block::Basic, [2, 2, 2, 2], classes),
        "resnet34" => resnet::build(w, Block::Basic, [3, 4, 6, 3], classes),
        "resnet50" => resnet::build(w, Block::Bottleneck, [3, 4, 6, 3], classes),
        "resnet101" => resnet::build(w, Block::Bottleneck, [3, 4, 23, 3], classes),
        "resnet152" => resnet::build(w, Block::Bottleneck, [3, 8, 36, 3], classes),
        "squeezenet1_0" => squeezenet::build(w, true, classes),
        "squeezenet1_1" => squeezenet::build(w, false, classes),
        "vgg11" => plain::vgg(w, [1, 1, 2, 2, 2], false, classes),
        "vgg13" => plain::vgg(w, [2, 2, 2, 2, 2], false, classes),
        "vgg16" => plain::vgg(w, [2, 2, 3, 3, 3], false, classes),
        "vgg19" => plain::vgg(w, [2, 2, 4, 4, 4], false, classes),
        "vgg11_bn" => plain::vgg(w, [1, 1, 2, 2, 2], true, classes),
        "vgg13_bn" => plain::vgg(w, [2, 2, 2, 2, 2], true, classes),
        "vgg16_bn" => plain::vgg(w, [2, 2, 3, 3, 3], true, classes),
        "vgg19_bn" => plain::vgg(w, [2, 2, 4, 4, 4], true, classes),
        "vit_b_16" => vit::build(w, vit::BASE, 16, side, classes),
        "vit_b_32" => vit::build(w, vit::BASE, 32, side, classes),
        "vit_l_16" => vit::build(w, vit::LARGE, 16, side, classes),
        "vit_l_32" => vit::build(w, vit::LARGE, 32, side, classes),
        _ => return None,
    })
}
