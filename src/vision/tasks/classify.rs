//! What the whole picture shows: logits in, classes out.

use crate::vision::registry::ModelInfo;

/// What a call may choose; what it leaves out comes from the model.
#[derive(Clone, Debug, Default)]
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

/// The softmax of the logits, the surest first.
#[must_use]
pub fn classes(model: &ModelInfo, logits: &[f32], options: &ClassifyOptions) -> Vec<Classified> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    let least = options.min_confidence.unwrap_or(0.);
    let mut all: Vec<Classified> = model
        .classes
        .iter()
        .zip(powers)
        .enumerate()
        .map(|(class_id, (class, power))| Classified { class: class.clone(), class_id, confidence: power / sum })
        .filter(|classified| classified.confidence >= least)
        .collect();
    all.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    all.truncate(options.max_results.unwrap_or(model.defaults.max_results));
    all
}
