//! One batch on a device: computed, answered, its time split. What fails together is tried once more one by one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    backend::{Backend, Frame, Output},
    batcher::words_of,
    lanes::{Entry, InferError, Timing},
};

/// Computes a batch and answers its members; returns the time that the device spent.
///
/// Of a batch of several that fails, each member is tried once more alone, so that a picture that breaks the model
/// does not fail its neighbours. The time of the failed attempt is on nobody's account.
pub fn compute(model: &str, backend: &mut dyn Backend, batch: Vec<Entry>) -> Duration {
    let started = Instant::now();
    metrics::histogram!("lensmeter_batch_frames", "model" => model.to_owned()).record(batch.len() as f64);
    let alone = batch.len() == 1;
    if let Err((batch, message)) = attempt(backend, batch) {
        tracing::error!(model, error = message, batch = batch.len(), "a batch failed: {message}");
        metrics::counter!("lensmeter_batches_failed_total", "model" => model.to_owned()).increment(1);
        for entry in batch {
            if alone || entry.is_gone(Instant::now()) {
                refuse(entry, &message);
            } else if let Err((rest, message)) = attempt(backend, vec![entry]) {
                rest.into_iter().for_each(|entry| refuse(entry, &message));
            }
        }
    }
    let spent = started.elapsed();
    metrics::histogram!("lensmeter_batch_seconds", "model" => model.to_owned()).record(spent.as_secs_f64());
    spent
}

/// Answers every member, or gives them all back with what went wrong.
fn attempt(backend: &mut dyn Backend, batch: Vec<Entry>) -> Result<(), (Vec<Entry>, String)> {
    let frames: Vec<Frame> = batch.iter().map(|entry| entry.frame.clone()).collect();
    let started = Instant::now();
    // A panic fails this batch and not the thread: a backend keeps nothing between batches but its weights.
    let outcome = catch_unwind(AssertUnwindSafe(|| backend.run(&frames)));
    let infer = started.elapsed();
    let outputs = match outcome {
        Ok(Ok(outputs)) if outputs.len() == batch.len() => outputs,
        Ok(Ok(outputs)) => return Err((batch, format!("{} results for {} frames", outputs.len(), frames.len()))),
        Ok(Err(message)) => return Err((batch, message)),
        Err(panic) => return Err((batch, format!("the backend panicked: {}", words_of(&*panic)))),
    };
    let shares = split(infer, &frames);
    for ((entry, output), compute) in batch.into_iter().zip(outputs).zip(shares) {
        let queue = started.saturating_duration_since(entry.joined);
        answer(entry, Ok((output, Timing { queue, infer, compute, ..Timing::default() })));
    }
    Ok(())
}

fn refuse(entry: Entry, message: &str) {
    answer(entry, Err(InferError::Failed(message.to_owned())));
}

fn answer(entry: Entry, result: Result<(Output, Timing), InferError>) {
    // An error here means that the caller went away meanwhile.
    let _ = entry.answer.send(result);
}

/// Splits a time by pixels, in whole nanoseconds that add up to it exactly.
fn split(whole: Duration, frames: &[Frame]) -> Vec<Duration> {
    // Each counts at least one pixel, so that the shares add up whatever the frames say.
    let pixels = |frame: &Frame| u128::from(frame.pixels.max(1));
    let total: u128 = frames.iter().map(pixels).sum::<u128>().max(1);
    let (mut seen, mut given) = (0u128, 0u128);
    let mut share = |frame: &Frame| {
        seen += pixels(frame);
        let until = whole.as_nanos() * seen / total;
        let nanos = until - given;
        given = until;
        // A share is at most the whole, and a batch that takes 500 years does not come.
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    frames.iter().map(&mut share).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn shares_add_up() {
        let frame = |pixels| Frame { width: 64, height: 64, rgb: Arc::from([]), pixels };
        let whole = Duration::from_nanos(1_000_003);
        for pixels in [[7, 3, 3, 1], [0, 0, 0, 0], [0, 1, u64::MAX, 2]] {
            let shares = split(whole, &pixels.map(frame));
            assert_eq!(shares.iter().sum::<Duration>(), whole, "{pixels:?}");
        }
        let shares = split(whole, &[7, 3, 3, 1].map(frame));
        assert!(shares[0] > shares[1] && shares[1] > shares[3]);
    }
}
