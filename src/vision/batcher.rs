//! One queue and one device thread for each model. The batch is what waits when the device is free: no timer.
//!
//! Who owns what: the thread owns the backend and with it every tensor; callers own the receiving end of their answer,
//! and dropping it takes their entry out of the queue. The thread ends when the last handle is dropped.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::backend::{Backend, Frame, Output};

/// How much may wait and how much is computed at once.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Most frames in one batch.
    pub batch: usize,
    /// Most frames waiting; one more is refused at once.
    pub queue: usize,
}

/// Where the time of one call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From joining the queue to the start of the batch.
    pub queue: Duration,
    /// The whole batch on the device.
    pub infer: Duration,
    /// This entry's share of the batch, by pixels; the shares of a batch add up to it exactly.
    pub compute: Duration,
}

/// Why a call got no result. None of these is ever charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// The queue is full: try again later.
    #[error("the model's queue is full")]
    Overloaded,
    /// The deadline passed before the device was free.
    #[error("the deadline passed while waiting")]
    Deadline,
    /// The device failed at this batch; the next one is tried as usual.
    #[error("inference failed: {0}")]
    Failed(String),
}

/// A queue with its device thread.
#[derive(Debug)]
pub struct Batcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    limits: QueueLimits,
}

#[derive(Debug, Default)]
struct Queue {
    /// One line of waiting entries for each lane, served in turn.
    lanes: VecDeque<(u128, VecDeque<Entry>)>,
    waiting: usize,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    frame: Frame,
    deadline: Instant,
    joined: Instant,
    answer: oneshot::Sender<Result<(Output, Timing), InferError>>,
}

impl Batcher {
    /// Starts the thread, named after the model.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn start(name: &str, backend: Box<dyn Backend>, limits: QueueLimits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), work: Condvar::new(), limits });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name(format!("device {name}")).spawn(move || serve(&theirs, backend))?;
        Ok(Self { shared })
    }

    /// Frames waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }

    /// Queues a frame and waits for its output. Dropping the future takes the frame out of the queue.
    ///
    /// `lane` is whose call it is: lanes are served in turn, so one caller's crowd delays the others by one frame a turn.
    ///
    /// # Errors
    /// [`InferError`]; `Overloaded` comes at once.
    pub async fn infer(&self, frame: Frame, lane: u128, deadline: Instant) -> Result<(Output, Timing), InferError> {
        let (answer, result) = oneshot::channel();
        self.shared.push(lane, Entry { frame, deadline, joined: Instant::now(), answer })?;
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(InferError::Failed("the device thread stopped".into())),
            Err(_) => Err(InferError::Deadline),
        }
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// The queue stays whole even if a thread panicked while holding it: no step under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: u128, entry: Entry) -> Result<(), InferError> {
        let mut queue = self.lock();
        if queue.waiting >= self.limits.queue {
            // Those that gave up need no place.
            queue.forget_the_gone(Instant::now());
        }
        if queue.waiting >= self.limits.queue {
            return Err(InferError::Overloaded);
        }
        queue.waiting += 1;
        match queue.lanes.iter_mut().find(|(other, _)| *other == lane) {
            Some((_, entries)) => entries.push_back(entry),
            None => queue.lanes.push_back((lane, VecDeque::from([entry]))),
        }
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for work and takes a batch of one size; none when the last handle is gone.
    fn next(&self) -> Option<Vec<Entry>> {
        let mut queue = self.lock();
        loop {
            queue.forget_the_gone(Instant::now());
            if queue.closed {
                return None;
            }
            if queue.waiting > 0 {
                return Some(queue.take(self.limits.batch));
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    fn forget_the_gone(&mut self, now: Instant) {
        for (_, entries) in &mut self.lanes {
            entries.retain(|entry| !entry.answer.is_closed() && entry.deadline > now);
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.lanes.retain(|(_, entries)| !entries.is_empty());
        self.waiting = self.lanes.iter().map(|(_, entries)| entries.len()).sum();
    }

    /// The oldest entry of the lane whose turn it is, and with it what fits its size: one of each lane a round. A lane
    /// whose next frame has another size keeps its turn.
    fn take(&mut self, most: usize) -> Vec<Entry> {
        let mut batch: Vec<Entry> = Vec::with_capacity(most);
        let mut passed = VecDeque::new();
        while batch.len() < most {
            let Some((lane, mut entries)) = self.lanes.pop_front() else { break };
            let fits = |entry: &Entry| batch.first().is_none_or(|first| first.frame.size() == entry.frame.size());
            match entries.front() {
                Some(entry) if fits(entry) => {
                    batch.extend(entries.pop_front());
                    self.lanes.push_back((lane, entries));
                }
                Some(_) => passed.push_back((lane, entries)),
                None => {}
            }
        }
        passed.append(&mut self.lanes);
        self.lanes = passed;
        self.settle();
        batch
    }
}

fn serve(shared: &Shared, mut backend: Box<dyn Backend>) {
    while let Some(batch) = shared.next() {
        let started = Instant::now();
        let frames: Vec<Frame> = batch.iter().map(|entry| entry.frame.clone()).collect();
        // A panic fails this batch and not the thread: a backend keeps nothing between batches but its weights.
        let outcome = catch_unwind(AssertUnwindSafe(|| backend.run(&frames)));
        let infer = started.elapsed();
        let outputs = match outcome {
            Ok(Ok(outputs)) if outputs.len() == batch.len() => Ok(outputs),
            Ok(Ok(outputs)) => Err(format!("{} results for {} frames", outputs.len(), batch.len())),
            Ok(Err(message)) => Err(message),
            Err(panic) => Err(format!("the backend panicked: {}", words_of(&*panic))),
        };
        if let Err(message) = &outputs {
            tracing::error!(error = message, batch = batch.len(), "a batch failed");
        }
        let shares = split(infer, &frames);
        let mut outputs = outputs.map(Vec::into_iter);
        for (entry, compute) in batch.into_iter().zip(shares) {
            let timing = Timing { queue: started.saturating_duration_since(entry.joined), infer, compute };
            let result = match &mut outputs {
                Ok(outputs) => outputs.next().map(|output| (output, timing)).ok_or_else(|| InferError::Failed("no result".into())),
                Err(message) => Err(InferError::Failed(message.clone())),
            };
            // An error here means that the caller went away meanwhile.
            let _ = entry.answer.send(result);
        }
    }
}

/// Splits a time by pixels, in whole nanoseconds that add up to it exactly.
fn split(whole: Duration, frames: &[Frame]) -> Vec<Duration> {
    let total: u128 = frames.iter().map(|frame| u128::from(frame.pixels)).sum::<u128>().max(1);
    let (mut seen, mut given) = (0u128, 0u128);
    let mut share = |frame: &Frame| {
        seen += u128::from(frame.pixels);
        let until = whole.as_nanos() * seen / total;
        let nanos = until - given;
        given = until;
        // A share is at most the whole, and a batch that takes 500 years does not come.
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    frames.iter().map(&mut share).collect()
}

/// The message of a caught panic.
pub(super) fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let frame = |pixels| Frame { width: 64, height: 64, rgb: Arc::from([]), pixels };
        let frames = [frame(7), frame(3), frame(3), frame(1)];
        let whole = Duration::from_nanos(1_000_003);
        let shares = split(whole, &frames);
        assert_eq!(shares.iter().sum::<Duration>(), whole);
        assert!(shares[0] > shares[1] && shares[1] > shares[3]);
    }
}
