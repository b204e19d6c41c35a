//! A model tried on pictures of noise before it serves: whether it computes, what comes out, how long it takes.

use std::time::{Duration, Instant};

use super::Torch;
use crate::vision::{
    backend::{Backend as _, Frame, Output},
    registry::{ModelInfo, Task},
};

/// So many frames of the size that the model usually takes, equal on every call.
#[must_use]
pub fn frames(info: &ModelInfo, count: usize) -> Vec<Frame> {
    let side = info.input.resize.square();
    let noise = |n: usize| (0..side * side * 3).map(|i| ((i + n).wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    (0..count).map(|n| Frame { width: side, height: side, rgb: noise(n), pixels: (side * side) as u64 }).collect()
}

/// One picture, and two together where the model may get two: a traced module may know the number it was traced with.
pub(super) fn check(torch: &mut Torch, info: &ModelInfo) -> Result<(), String> {
    let side = info.input.resize.square();
    for count in [1, 2].into_iter().filter(|&count| count <= info.limits.batch) {
        let what = if count == 1 { "a picture".into() } else { format!("{count} pictures together (limits.batch = 1 forbids that)") };
        let failed = |why: String| format!("trial with {what} of {side}x{side} pixels: {why}");
        let outputs = torch.run(&frames(info, count)).map_err(failed)?;
        if outputs.len() != count {
            return Err(failed(format!("{} results", outputs.len())));
        }
        outputs.iter().try_for_each(|output| fits(output, info)).map_err(failed)?;
    }
    Ok(())
}

fn fits(output: &Output, info: &ModelInfo) -> Result<(), String> {
    let (numbers, wanted) = match (output, info.task) {
        (Output::Boxes(_), Task::Detect) => return Ok(()),
        (Output::Maps(maps), Task::Detect) => (&maps.scores, info.classes.len() * maps.rows * maps.columns),
        (Output::Row(row), Task::Classify) => (row, info.classes.len()),
        (Output::Row(row), Task::Embed) => (row, row.len().max(1)),
        _ => return Err(format!("the network gives what task \"{}\" cannot use", info.task)),
    };
    if numbers.len() != wanted {
        return Err(format!("the network gives {} numbers for a picture, model.toml names {wanted} classes", numbers.len()));
    }
    if numbers.iter().all(|number| number.is_finite()) { Ok(()) } else { Err("the network gives numbers that are not finite".into()) }
}

/// The time of one batch: the least of `rounds`, after one that does not count.
///
/// # Errors
/// When the network fails at it.
pub fn time(torch: &mut Torch, info: &ModelInfo, batch: usize, rounds: usize) -> Result<Duration, String> {
    let frames = frames(info, batch);
    torch.run(&frames)?;
    let mut least = Duration::MAX;
    for _ in 0..rounds.max(1) {
        let started = Instant::now();
        torch.run(&frames)?;
        least = least.min(started.elapsed());
    }
    Ok(least)
}

/// Greatest difference of two models' numbers on the same pictures, as a share of the greatest number; none for boxes,
/// whose number and order may differ.
///
/// # Errors
/// When one of them fails.
pub fn difference(one: &mut Torch, other: &mut Torch, info: &ModelInfo) -> Result<Option<f32>, String> {
    let frames = frames(info, 1);
    let numbers = |torch: &mut Torch| {
        torch.run(&frames).map(|outputs| match outputs.into_iter().next() {
            Some(Output::Row(row)) => Some(row),
            Some(Output::Maps(maps)) => Some(maps.scores),
            _ => None,
        })
    };
    let Some((one, other)) = numbers(one)?.zip(numbers(other)?) else { return Ok(None) };
    let most = one.iter().fold(0f32, |most, number| most.max(number.abs()));
    let apart = one.iter().zip(&other).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    Ok(Some(apart / most.max(f32::MIN_POSITIVE)))
}
