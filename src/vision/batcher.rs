//! The threads that compute, and the queues that they serve. The batch is what waits when a thread is free: no timer.
//!
//! One batcher serves all models: a queue for each, a thread for each share of the device. Whose turn it is among models
//! goes by device time, among the accounts of a model by entries ([`Lanes`]). Who owns what: a backend, and with it every
//! tensor, belongs to the thread that computes with it and rests in its model's queue between batches; callers own the
//! receiving end of their answer, and dropping it takes their entry out. Threads end when the last handle is dropped.

use std::{
    any::Any,
    collections::BTreeMap,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    attempt,
    backend::{Backend, Frame},
    lanes::{Computed, Entry, InferError, Lane},
    line::Line,
};

/// How much may wait and how much is computed at once.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Most frames in one batch.
    pub batch: usize,
    /// Most frames waiting; one more is refused at once.
    pub queue: usize,
}

/// The threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batcher {
    alive: Arc<Alive>,
}

/// The queue of one model; dropping it unloads the model.
#[derive(Debug)]
pub struct Queue {
    alive: Arc<Alive>,
    line: u64,
}

/// Ends the threads when the last handle is dropped.
#[derive(Debug)]
struct Alive {
    shared: Arc<Shared>,
    workers: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<u64, Line>,
    next: u64,
    /// Device time at which the last batch began, as its line counts it: a line that was idle starts from here, so that
    /// nobody saves up turns.
    clock: Duration,
    /// Threads that compute now.
    busy: usize,
    closed: bool,
}

/// A batch on its way through a thread.
struct Job {
    line: u64,
    model: Arc<str>,
    slot: usize,
    backend: Box<dyn Backend>,
    batch: Vec<Entry>,
    /// What the line was charged before the time was known.
    estimate: Duration,
}

impl Batcher {
    /// Starts `workers` threads; each computes one batch at a time.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn start(workers: usize) -> std::io::Result<Self> {
        let alive = Arc::new(Alive { shared: Arc::default(), workers: workers.max(1) });
        for worker in 0..alive.workers {
            let shared = Arc::clone(&alive.shared);
            std::thread::Builder::new().name(format!("device {worker}")).spawn(move || serve(&shared, worker))?;
        }
        Ok(Self { alive })
    }

    /// Threads that compute.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.alive.workers
    }

    /// Opens a queue before `backends`: one for each thread, or fewer that the threads share.
    #[must_use]
    pub fn add(&self, model: &str, limits: QueueLimits, backends: Vec<Box<dyn Backend>>) -> Queue {
        let mut state = self.alive.shared.lock();
        let line = state.next;
        state.next += 1;
        state.lines.insert(line, Line::new(model, limits, backends));
        Queue { alive: Arc::clone(&self.alive), line }
    }
}

impl Queue {
    /// Frames waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.alive.shared.lock().line(self.line).calls.len()
    }

    /// Queues a frame and waits for its output. Dropping the future takes the frame out of the queue.
    ///
    /// # Errors
    /// [`InferError`]; `Overloaded` comes at once.
    pub async fn infer(&self, frame: Frame, lane: Lane, deadline: Instant) -> Computed {
        let (answer, result) = oneshot::channel();
        self.push(Entry { frame, deadline, joined: Instant::now(), answer }, lane)?;
        wait(result, deadline).await
    }

    /// The same with capacity that nobody else wants: alone, while nothing waits and nothing is computed.
    ///
    /// # Errors
    /// [`InferError::Deadline`] when there was no such moment.
    pub async fn infer_idle(&self, frame: Frame, deadline: Instant) -> Computed {
        let (answer, result) = oneshot::channel();
        let entry = Entry { frame, deadline, joined: Instant::now(), answer };
        self.alive.shared.lock().line(self.line).shadows.push_back(entry);
        self.alive.shared.work.notify_one();
        wait(result, deadline).await
    }

    /// Whether a frame would be taken now; costs nothing, so it is asked before a picture is decoded.
    ///
    /// # Errors
    /// When there is likely to be room, from what waits and how long the last batches took.
    pub fn room(&self) -> Result<(), Duration> {
        self.alive.shared.lock().room(self.line, self.alive.workers)
    }

    fn push(&self, entry: Entry, lane: Lane) -> Result<(), InferError> {
        let mut state = self.alive.shared.lock();
        state.room(self.line, self.alive.workers).map_err(|retry_after| InferError::Overloaded { retry_after })?;
        let clock = state.clock;
        state.line(self.line).push(lane, entry, clock);
        drop(state);
        self.alive.shared.work.notify_one();
        Ok(())
    }
}

async fn wait(result: oneshot::Receiver<Computed>, deadline: Instant) -> Computed {
    match tokio::time::timeout_at(deadline.into(), result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(InferError::Failed("the device thread stopped".into())),
        Err(_) => Err(InferError::Deadline),
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.alive.shared.lock().line(self.line).closed = true;
        // A thread frees the weights: it may take a while, and nobody waits for it.
        self.alive.shared.work.notify_all();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// The state stays whole even if a thread panicked while holding it: no step under the lock can leave it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; none when the last handle is gone.
    fn next(&self, worker: usize) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let unloaded = state.unload();
            if !unloaded.is_empty() {
                drop(state);
                drop(unloaded);
                state = self.lock();
                continue;
            }
            if state.closed {
                return None;
            }
            state.forget_the_gone(Instant::now());
            if let Some(job) = state.pick(worker) {
                state.busy += 1;
                return Some(job);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, job: Job, spent: Duration) {
        let mut state = self.lock();
        state.busy -= 1;
        state.line(job.line).finish(job.slot, job.backend, job.estimate, spent);
        drop(state);
        // A thread that found this backend in use may be waiting for it.
        self.work.notify_one();
    }
}

impl State {
    /// # Panics
    /// Never: a line goes when its queue is dropped and its backends are back, and only those two ask for it.
    fn line(&mut self, line: u64) -> &mut Line {
        self.lines.get_mut(&line).expect("the line lives as long as its queue and its jobs")
    }

    fn forget_the_gone(&mut self, now: Instant) {
        self.lines.values_mut().for_each(|line| line.forget_the_gone(now));
    }

    /// Takes out the lines whose queue was dropped and whose backends are all back.
    fn unload(&mut self) -> Vec<Line> {
        self.lines.extract_if(.., |_, line| line.closed && line.is_at_rest()).map(|(_, line)| line).collect()
    }

    /// The batch of the model that had the least of the device; what is only for idle moments when there is none.
    fn pick(&mut self, worker: usize) -> Option<Job> {
        let ready = self.lines.iter_mut().filter(|(_, line)| !line.calls.is_empty() && line.slot(worker).is_some());
        if let Some((&id, line)) = ready.min_by_key(|(_, line)| line.served) {
            self.clock = self.clock.max(line.served);
            let batch = line.calls.take(line.limits.batch);
            return self.job(id, worker, batch);
        }
        if self.busy > 0 || self.lines.values().any(|line| !line.calls.is_empty()) {
            return None;
        }
        let (&id, line) = self.lines.iter_mut().find(|(_, line)| !line.shadows.is_empty() && line.slot(worker).is_some())?;
        let entry = line.shadows.pop_front()?;
        self.job(id, worker, vec![entry])
    }

    fn job(&mut self, id: u64, worker: usize, batch: Vec<Entry>) -> Option<Job> {
        let line = self.line(id);
        let slot = line.slot(worker)?;
        let backend = line.backends[slot].take()?;
        // Charged in advance, so that the next thread sees that this model has its turn.
        line.served += line.recent;
        Some(Job { line: id, model: Arc::clone(&line.model), slot, backend, batch, estimate: line.recent })
    }

    fn room(&mut self, line: u64, workers: usize) -> Result<(), Duration> {
        if self.line(line).has_room() {
            return Ok(());
        }
        metrics::counter!("lensmeter_overloaded_total", "model" => self.line(line).model.to_string()).increment(1);
        Err(self.busy_for(workers))
    }

    /// How long all that waits is likely to take.
    fn busy_for(&self, workers: usize) -> Duration {
        let all: Duration = self.lines.values().map(Line::backlog).sum();
        (all / u32::try_from(workers).unwrap_or(u32::MAX)).max(Duration::from_millis(1))
    }
}

fn serve(shared: &Shared, worker: usize) {
    while let Some(mut job) = shared.next(worker) {
        let batch = mem::take(&mut job.batch);
        let spent = attempt::compute(&job.model, &mut *job.backend, batch);
        shared.finish(job, spent);
    }
}

/// The message of a caught panic.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
