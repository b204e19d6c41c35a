//! The loss curve of a run as a picture, drawn by the same canvas as the training scenes.

use std::path::Path;

use image::RgbImage;

use super::{
    canvas::{Canvas, Ink},
    fonts::FontBook,
    run::LogLine,
    text::{Style, write},
};
use crate::vision::train::dice::Dice;

const SIZE: (f32, f32) = (960., 480.);
/// Left, top, right, bottom of the plot.
const PLOT: [f32; 4] = [60., 50., 930., 430.];
const SERIES: [(&str, Ink); 6] = [
    ("classes", [200, 60, 40]),
    ("boxes", [40, 90, 190]),
    ("sides", [120, 120, 120]),
    ("mask", [30, 140, 80]),
    ("second look", [150, 60, 170]),
    ("IoU of positives", [20, 20, 20]),
];

/// Reads `log.csv`; lines that are no log lines are skipped.
#[must_use]
pub fn read(path: &Path) -> Vec<LogLine> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let fields: Vec<f64> = line.split(',').map(|field| field.parse().unwrap_or(f64::NAN)).collect();
        let &[step, seconds, a, b, c, d, e, iou] = fields.as_slice() else { return None };
        iou.is_finite().then_some(LogLine { step: step as u64, seconds, parts: [a, b, c, d, e], iou })
    };
    text.lines().filter_map(line).collect()
}

/// Draws every part of the loss, and the IoU, over the steps.
#[must_use]
pub fn draw(lines: &[LogLine], fonts: &FontBook) -> RgbImage {
    let mut canvas = Canvas::new(SIZE.0 as u32, SIZE.1 as u32, [255; 3]);
    let face = fonts.pick(&mut Dice::new(0));
    let label = |ink: Ink| Style::new(face, 14., ink);
    let [left, top, right, bottom] = PLOT;
    let steps = lines.last().map_or(1., |line| line.step as f32).max(1.);
    let highest = 3.;
    let y_of = |value: f32| bottom - (bottom - top) * value.min(highest) / highest;
    for i in 0..=6 {
        let value = i as f32 * 0.5;
        canvas.fill([left, y_of(value), right, y_of(value) + 1.], [225; 3], 1.);
        write(&mut canvas, &label([90; 3]), 20., y_of(value) - 7., &format!("{value:.1}"));
    }
    for i in 0..=5 {
        let x = left + (right - left) * i as f32 / 5.;
        write(&mut canvas, &label([90; 3]), x - 20., bottom + 12., &format!("{:.0}", steps * i as f32 / 5.));
    }
    let mut x = left;
    for (i, (name, ink)) in SERIES.into_iter().enumerate() {
        let value = |line: &LogLine| if i < 5 { line.parts[i] as f32 } else { line.iou as f32 };
        let points: Vec<[f32; 2]> =
            lines.iter().map(|line| [left + (right - left) * line.step as f32 / steps, y_of(value(line))]).collect();
        points.windows(2).for_each(|pair| canvas.stroke(pair[0], pair[1], 1.8, ink, 1.));
        canvas.fill([x, 22., x + 18., 26.], ink, 1.);
        x += 24.;
        x = write(&mut canvas, &label(ink), x, 16., name).map_or(x, |rect| rect[2]) + 24.;
    }
    canvas.image
}
