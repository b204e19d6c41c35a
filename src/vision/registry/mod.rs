//! Which models there are: `models/<name>/<version>/model.toml` beside its weights, read and checked at start.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{batcher::QueueLimits, preprocess::{Input, Resize}};

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
    pub architecture: String,
    /// Names of the classes, in the order of the network's channels.
    pub classes: Vec<String>,
    /// One sentence for the list of models.
    pub description: String,
    /// How a picture becomes what the network takes.
    pub input: Input,
    /// Options that a call leaves out.
    pub defaults: Defaults,
    /// Batch and queue.
    pub limits: QueueLimits,
    /// The weights' file.
    pub weights: PathBuf,
}

/// Options that a call leaves out.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
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
    #[error("{0}: {1}")]
    Manifest(PathBuf, String),
    /// Weights do not fit their network.
    #[error("{path}: {} problem(s): {}", problems.len(), problems.join("; "))]
    Weights {
        /// The weights' file.
        path: PathBuf,
        /// One sentence each.
        problems: Vec<String>,
    },
    /// The wanted device is not here.
    #[error(transparent)]
    Device(#[from] super::torch::device::DeviceError),
    /// No thread for a model.
    #[error("cannot start the device thread of {0}: {1}")]
    Thread(String, std::io::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    task: Task,
    architecture: String,
    weights: String,
    classes: Vec<String>,
    description: String,
    #[serde(default)]
    input: ManifestInput,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ManifestInput {
    max_side: usize,
}

impl Default for ManifestInput {
    fn default() -> Self {
        Self { max_side: 1280 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    batch: usize,
    queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch: 8, queue: 32 }
    }
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

/// Reads and checks one model.toml; the weights are not opened.
///
/// # Errors
/// When it cannot be read, has unknown or missing keys, or values that make no sense.
pub fn read(path: &Path) -> Result<ModelInfo, OpenError> {
    let wrong = |why: String| OpenError::Manifest(path.to_owned(), why);
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let manifest: Manifest = toml::from_str(&text).map_err(|e| wrong(e.to_string().trim().to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let (defaults, limits) = (manifest.defaults, manifest.limits);
    let share = |value: f32| (0. ..=1.).contains(&value);
    let problem = if manifest.architecture != "elements" {
        Some(format!("architecture = {:?} is not known; \"elements\" is", manifest.architecture))
    } else if manifest.task != Task::Detect {
        Some(format!("task = \"{}\" does not fit architecture \"elements\", which detects", manifest.task))
    } else if manifest.classes.is_empty() {
        Some("classes must name at least one".into())
    } else if !share(defaults.min_confidence) || !share(defaults.iou) {
        Some("defaults.min_confidence and defaults.iou must lie between 0 and 1".into())
    } else if limits.batch == 0 || limits.queue == 0 || manifest.input.max_side < 64 {
        Some("limits.batch and limits.queue must be at least 1, input.max_side at least 64".into())
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(wrong(problem));
    }
    Ok(ModelInfo {
        name: folder.parent().map(name_of).unwrap_or_default(),
        version: name_of(folder),
        task: manifest.task,
        classes: manifest.classes,
        description: manifest.description,
        architecture: manifest.architecture,
        input: Input { resize: Resize::Fit { max_side: manifest.input.max_side, multiple: 64 }, mean: [0.; 3], std: [1.; 3] },
        defaults,
        limits: QueueLimits { batch: limits.batch, queue: limits.queue },
        weights: folder.join(manifest.weights),
    })
}
