//! What the whole picture shows: logits in, classes out.

use serde::{Deserialize, Serialize};

use crate::vision::registry::ModelInfo;

/// What a call may choose; what it leaves out comes from the model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClassifyOptions {
    /// Least confidence, 0 to 1.
    pub min_confidence: Option<f32>,
    /// Most classes, the surest first.
    pub max_results: Option<usize>,
}

/// A class and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// Its name.
    pub class: String,
    /// Its index in the model's list.
    pub class_id: usize,
    /// 0 to 1; those of all classes add up to 1.
    pub confidence: f32,
}

/// Classes that are usually asked for.
const USUAL: usize = 5;

/// Classes that a call gets when it does not say how many.
#[must_use]
pub fn most(model: &ModelInfo) -> usize {
    USUAL.min(model.defaults.max_results)
}

/// The softmax of the logits, the surest first.
///
/// # Errors
/// When there is not one finite logit for each class: the manifest or the weights are wrong.
pub fn classes(model: &ModelInfo, logits: &[f32], options: &ClassifyOptions) -> Result<Vec<Classified>, String> {
    if logits.len() != model.classes.len() {
        return Err(format!("the network gives {} logits and the model has {} classes", logits.len(), model.classes.len()));
    }
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err("the logits are not finite numbers".into());
    }
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    let least = options.min_confidence.unwrap_or(0.);
    let confident = powers.iter().map(|power| power / sum).enumerate().filter(|(_, confidence)| *confidence >= least);
    let mut all: Vec<(usize, f32)> = confident.collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(options.max_results.unwrap_or(most(model)));
    let named = |(class_id, confidence): (usize, f32)| Classified { class: model.classes[class_id].clone(), class_id, confidence };
    Ok(all.into_iter().map(named).collect())
}
