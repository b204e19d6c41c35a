//! What a classification answers: Roboflow's field names.

use serde::Serialize;

use crate::vision::{Classified, Size};

/// What a picture shows.
#[derive(Serialize)]
pub struct Shown<'a> {
    image: Size,
    predictions: Vec<Prediction<'a>>,
    /// The surest class, when one is sure enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
}

#[derive(Serialize)]
struct Prediction<'a> {
    class: &'a str,
    class_id: usize,
    confidence: f64,
}

impl<'a> Shown<'a> {
    /// The part of the answer that has nothing to do with who asked; `classes` come best first.
    pub fn of(size: Size, classes: &'a [Classified]) -> Self {
        let prediction =
            |one: &'a Classified| Prediction { class: &one.class, class_id: one.class_id, confidence: super::confidence(one.confidence) };
        Self {
            image: size,
            predictions: classes.iter().map(prediction).collect(),
            top: classes.first().map(|best| best.class.as_str()),
            confidence: classes.first().map(|best| super::confidence(best.confidence)),
        }
    }
}
