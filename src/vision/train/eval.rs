//! Measures a detector on scenes drawn with fonts, and with encoders, that training never saw.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use super::{
    augment::augment,
    dice::Dice,
    fonts::{NoFonts, Split},
    material::Material,
    scene::{self, Scene},
    score::{Score, truths},
};
use crate::vision::{
    DetectOptions, ModelInfo, Picture,
    backend::{Backend, Output},
    preprocess::prepare,
    tasks::detect::{Detection, detections},
};

/// Numbers of the held-out scenes begin here, far above those of any training run.
const FIRST: u64 = 1 << 48;
/// Pixels a side of a held-out picture.
const SIDE: u32 = 640;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name, score at IoU 0.5, score at IoU 0.75: for each class.
    pub classes: Vec<(String, Score, Score)>,
    /// Pictures measured.
    pub pictures: usize,
    /// The model's own least confidence, at which precision and recall are given.
    pub threshold: f32,
}

/// Draws `count` held-out scenes and measures the model on them.
///
/// # Errors
/// When no held-out fonts are installed, or the backend fails.
pub fn held_out(backend: &mut dyn Backend, model: &ModelInfo, fonts: &Path, count: u64) -> Result<Report, EvalError> {
    let material = Material::open(fonts, Split::Eval)?;
    measure(backend, model, scenes(&material, FIRST, count))
}

/// Scenes cut, turned and lit as in training, numbered from `first`.
pub fn scenes(material: &Material, first: u64, count: u64) -> impl Iterator<Item = Scene> {
    (first..first + count).map(move |number| augment(&scene::draw(material, number, 768), &mut Dice::new(number), SIDE))
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// No held-out fonts.
    #[error(transparent)]
    Fonts(#[from] NoFonts),
    /// A page could not be read.
    #[error("{0}: {1}")]
    Page(PathBuf, String),
    /// The device failed.
    #[error("inference failed: {0}")]
    Backend(String),
}

/// Measures the model on any scenes.
///
/// # Errors
/// When the backend fails.
pub fn measure(backend: &mut dyn Backend, model: &ModelInfo, scenes: impl Iterator<Item = Scene>) -> Result<Report, EvalError> {
    let classes = model.classes.iter().map(|name| (name.clone(), Score::default(), Score::default())).collect();
    let mut report = Report { classes, pictures: 0, threshold: model.defaults.min_confidence };
    for scene in scenes {
        let truths = truths(&scene);
        let found = detect_all(backend, model, scene)?;
        for (class, (_, half, three_quarters)) in report.classes.iter_mut().enumerate() {
            half.add(class, &found, &truths, 0.5);
            three_quarters.add(class, &found, &truths, 0.75);
        }
        report.pictures += 1;
    }
    Ok(report)
}

/// Everything on a picture down to confidence 0.05, through the same steps as a served call.
fn detect_all(backend: &mut dyn Backend, model: &ModelInfo, scene: Scene) -> Result<Vec<Detection>, EvalError> {
    let (width, height) = scene.image.dimensions();
    let picture = Picture::new(width, height, scene.image.into_raw());
    let prepared = prepare(&picture, &model.input);
    let outputs = backend.run(std::slice::from_ref(&prepared.frame)).map_err(EvalError::Backend)?;
    let Some(Output::Maps(maps)) = outputs.first() else { return Err(EvalError::Backend("no maps".into())) };
    let options = DetectOptions { min_confidence: Some(0.05), max_results: Some(usize::MAX), ..DetectOptions::default() };
    Ok(detections(model, maps, &prepared, &options))
}

impl Report {
    /// Mean over the classes of the average precision at IoU 0.5.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.classes.iter().map(|(_, half, _)| half.average_precision()).sum::<f64>() / self.classes.len().max(1) as f64
    }

    /// The report as a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} pictures; P and R at confidence {}\n\n| class | objects | AP@0.5 | AP@0.75 | P | R |\n|-|-|-|-|-|-|\n",
            self.pictures, self.threshold
        );
        for (name, half, three_quarters) in &self.classes {
            let (precision, recall) = half.at(self.threshold);
            let (ap, ap75) = (half.average_precision(), three_quarters.average_precision());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {name} | {} | {ap:.3} | {ap75:.3} | {precision:.3} | {recall:.3} |", half.truths);
        }
        let _ = writeln!(text, "| mean | | {:.3} | | | |", self.mean());
        text
    }
}
