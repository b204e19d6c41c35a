//! What customers ask for: one file for each task, from a network's output to the answer in the picture's own pixels.

pub mod classify;
pub mod detect;
pub mod embed;

use classify::{Classified, ClassifyOptions};
use detect::{DetectOptions, Detection};
use serde::{Deserialize, Serialize};

use super::{
    backend::Output,
    preprocess::Prepared,
    registry::{ModelInfo, Task},
};

/// What a call may choose, by its task; what it leaves out comes from the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    /// What a model cannot do of what they ask: the name of an option and what was expected of it.
    ///
    /// # Errors
    /// When a class is named that the model does not know.
    pub fn suit(&self, model: &ModelInfo) -> Result<(), (&'static str, String)> {
        let Self::Detect(DetectOptions { classes: Some(wanted), .. }) = self else { return Ok(()) };
        match wanted.iter().find(|name| !model.classes.contains(name)) {
            Some(unknown) => {
                let known = model.classes.join(", ");
                Err(("classes", format!("{} knows no class {unknown:?}; it knows {known}", model.name)))
            }
            None => Ok(()),
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
        (Options::Detect(options), Output::Boxes(boxes)) => Ok(Findings::Detections(detect::merged(model, boxes, prepared, options))),
        (Options::Classify(options), Output::Row(logits)) => classify::classes(model, logits, options).map(Findings::Classes),
        (Options::Embed, Output::Row(features)) => embed::unit(features).map(Findings::Embedding),
        _ => Err(format!("{}/{} gives an output that {} cannot use", model.name, model.version, options.task())),
    }
}
