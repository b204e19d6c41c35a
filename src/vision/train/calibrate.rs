//! Brings confidence 0.5 near the same point for every class: where being right and being complete are best together.

use std::path::Path;

use tch::Tensor;

use super::{
    eval::{EvalError, Report, scenes},
    fonts::Split,
    material::Material,
    run::{RunError, read_tensors, write_tensors},
    sheet::CHECKBOX,
};
use crate::vision::{ModelInfo, backend::Backend};

/// Numbers of the scenes begin here: none that training draws, none that is measured.
const FIRST: u64 = 1 << 44;

/// Measures on `count` scenes in the fonts and from the encoders of training.
///
/// # Errors
/// When there are no fonts, or the backend fails.
pub fn measure(backend: &mut dyn Backend, model: &ModelInfo, fonts: &Path, count: u64) -> Result<Report, EvalError> {
    let material = Material::open(fonts, Split::Train)?;
    super::eval::measure(backend, model, scenes(&material, FIRST, count))
}

/// Moves each class's bias in the file half the way to where its best threshold on the measured scenes would be 0.5. Half,
/// because the scenes are harder than most pictures, and what costs precision there is recall elsewhere.
///
/// # Errors
/// When the file cannot be read or written.
pub fn apply(report: &Report, weights: &Path) -> Result<(), RunError> {
    let mut tensors: Vec<_> = read_tensors(weights)?.into_iter().collect();
    let shifts: Vec<f32> = report.classes.iter().map(|(_, half, _)| logit(half.best_threshold().clamp(0.2, 0.8)) / 2.).collect();
    for (name, bias) in &mut tensors {
        // The scores of the class that is looked at twice come from the second look.
        let by = match name.as_str() {
            "cls.bias" => shifts.iter().enumerate().map(|(class, by)| if class == CHECKBOX { 0. } else { *by }).collect(),
            "look.out.bias" => vec![shifts[CHECKBOX], 0., 0., 0., 0.],
            _ => continue,
        };
        *bias = &*bias - Tensor::from_slice(&by).to_kind(bias.kind());
    }
    write_tensors(&tensors, weights)
}

fn logit(p: f32) -> f32 {
    (p / (1. - p)).ln()
}
