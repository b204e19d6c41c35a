//! Which models there are: `models/<name>/<version>/model.toml` beside its weights, read and checked at start.

mod architecture;
mod manifest;
mod output;
mod section;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{batcher::QueueLimits, preprocess::Input};

pub use architecture::{Architecture, TORCHVISION};
pub use manifest::read;
pub use output::{Activation, BoxFormat, Corners, Layout, Place, Units};

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Boxes of things.
    Detect,
    /// What the whole picture shows.
    Classify,
    /// A vector for comparing pictures.
    Embed,
}

impl Task {
    /// Its name in routes, rows and prices.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Classify => "classify",
            Self::Embed => "embed",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One version of one model.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// As customers name it.
    pub name: String,
    /// Its folder's name.
    pub version: String,
    /// What it does.
    pub task: Task,
    /// The network that the weights belong to.
    pub architecture: Architecture,
    /// Names of the classes, in the order of the network's channels.
    pub classes: Vec<String>,
    /// One sentence for the list of models.
    pub description: String,
    /// Under which licence the weights may be used.
    pub license: Option<String>,
    /// What a call costs, as the operator puts it in lists. Only a hint: plans decide.
    pub price_hint: Option<String>,
    /// In what the network computes; left to the device when none.
    pub precision: Option<Precision>,
    /// How a picture becomes what the network takes.
    pub input: Input,
    /// How boxes are read; only of detectors of TorchScript.
    pub output: Option<BoxFormat>,
    /// Options that a call leaves out.
    pub defaults: Defaults,
    /// Batch and queue.
    pub limits: QueueLimits,
    /// The weights' file.
    pub weights: PathBuf,
}

impl ModelInfo {
    /// `name/version`: what a call may name.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

/// In what a network computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Whichever is faster here, by a measurement when the model is loaded.
    Auto,
    /// Exact.
    Float32,
    /// Two to four times as fast where the hardware has it, with three significant digits.
    BFloat16,
}

impl Precision {
    /// The precision of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Auto, Self::Float32, Self::BFloat16].into_iter().find(|precision| precision.as_str() == name)
    }

    /// Its name in `model.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
        }
    }
}

/// Options that a call leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Least confidence of what is given back, 0 to 1.
    pub min_confidence: f32,
    /// Two boxes of a class that overlap more than this are one thing, 0 to 1.
    pub iou: f32,
    /// Most things given back.
    pub max_results: usize,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { min_confidence: 0.5, iou: 0.5, max_results: 300 }
    }
}

/// Why the models could not be opened; each names the folder or file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be read.
    #[error("models folder {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    /// It holds no model.
    #[error("models folder {0}: holds no <name>/<version>/model.toml")]
    Empty(PathBuf),
    /// A model.toml is wrong.
    #[error("{path}: {}", problems.join("; "))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// One sentence each.
        problems: Vec<String>,
    },
    /// Weights do not fit their network.
    #[error("{path}: {} problem(s): {}", problems.len(), problems.join("; "))]
    Weights {
        /// The weights' file.
        path: PathBuf,
        /// One sentence each.
        problems: Vec<String>,
    },
    /// The memory for weights does not hold it beside the others.
    #[error("{model} takes {} MB, and {} MB of vision.memory_mb are left", needed.div_ceil(1 << 20), room >> 20)]
    Memory {
        /// `name/version`.
        model: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        room: u64,
    },
    /// The wanted device is not here.
    #[error(transparent)]
    Device(#[from] super::torch::device::DeviceError),
    /// No thread for a model.
    #[error("cannot start the device thread of {0}: {1}")]
    Thread(String, std::io::Error),
}

/// Every `<name>/<version>/model.toml` below `folder`, by name, then by version with the newest first.
///
/// # Errors
/// When the folder cannot be read or holds none.
pub fn manifests(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let failed = |e| OpenError::Folder(folder.to_owned(), e);
    let mut found = Vec::new();
    for model in folders(folder).map_err(failed)? {
        let mut versions = folders(&model).map_err(failed)?;
        versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
        found.extend(versions.into_iter().map(|version| version.join("model.toml")).filter(|path| path.is_file()));
    }
    if found.is_empty() { Err(OpenError::Empty(folder.to_owned())) } else { Ok(found) }
}

fn folders(of: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(of)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

/// "10" is newer than "9"; names that are no numbers come last, in their order.
fn rank(version: &Path) -> (u64, String) {
    let name = name_of(version);
    (name.parse().unwrap_or(0), name)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
