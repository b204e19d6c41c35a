//! What customers ask for: one file for each task, from a network's output to the answer in the picture's own pixels.

pub mod classify;
pub mod detect;
pub mod embed;

use classify::{ClassifyOptions, Classified};
use detect::{DetectOptions, Detection};

use super::{
    backend::Output,
    preprocess::Prepared,
    registry::{ModelInfo, Task},
};

/// What a call may choose, by its task; what it leaves out comes from the model.
#[derive(Clone, Debug)]
pub enum Options {
    /// Boxes of things.
    Detect(DetectOptions),
    /// What the whole picture shows.
    Classify(ClassifyOptions),
    /// A vector for comparing pictures.
    Embed,
}

impl Options {
    /// The task that they belong to.
    #[must_use]
    pub fn task(&self) -> Task {
        match self {
            Self::Detect(_) => Task::Detect,
            Self::Classify(_) => Task::Classify,
            Self::Embed => Task::Embed,
        }
    }
}

/// What was found out about a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// The surest first.
    Detections(Vec<Detection>),
    /// The surest first.
    Classes(Vec<Classified>),
    /// Of length 1.
    Embedding(Vec<f32>),
}

/// Reads the output of a network as the answer to a call.
///
/// # Errors
/// When the network gives what its task does not ask for: its manifest is wrong.
pub fn findings(model: &ModelInfo, output: &Output, prepared: &Prepared, options: &Options) -> Result<Findings, String> {
    match (options, output) {
        (Options::Detect(options), Output::Maps(maps)) => Ok(Findings::Detections(detect::detections(model, maps, prepared, options))),
        (Options::Classify(options), Output::Row(logits)) => Ok(Findings::Classes(classify::classes(model, logits, options))),
        (Options::Embed, Output::Row(features)) => Ok(Findings::Embedding(embed::unit(features))),
        _ => Err(format!("{}/{} gives an output that {} cannot use", model.name, model.version, options.task())),
    }
}
