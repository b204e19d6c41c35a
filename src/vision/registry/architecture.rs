//! The networks that weights can belong to, by name. How they compute is `torch`'s to know.

use std::fmt;

/// What computes a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// The built-in detector.
    Elements,
    /// A network that brings its own code: TorchScript.
    TorchScript,
    /// One of [`TORCHVISION`].
    Torchvision(&'static str),
}

/// Networks with torchvision's parameter names, each computed as torchvision computes it.
pub const TORCHVISION: [&str; 40] = [
    "alexnet",
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
    "convnext_large",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vgg11_bn",
    "vgg13_bn",
    "vgg16_bn",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_l_16",
    "vit_l_32",
];

impl Architecture {
    /// The architecture of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "elements" => Some(Self::Elements),
            "torchscript" => Some(Self::TorchScript),
            _ => TORCHVISION.into_iter().find(|known| *known == name).map(Self::Torchvision),
        }
    }

    /// Its name in `model.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elements => "elements",
            Self::TorchScript => "torchscript",
            Self::Torchvision(name) => name,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
