//! One model's place at the device: what waits for it, its backends, and how much of the device it had.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    backend::Backend,
    batcher::QueueLimits,
    lanes::{Entry, Lane, Lanes},
};

/// See the module.
pub struct Line {
    /// `name/version`.
    pub model: Arc<str>,
    pub limits: QueueLimits,
    /// What callers wait for.
    pub calls: Lanes,
    /// What nobody waits for: only for idle moments.
    pub shadows: VecDeque<Entry>,
    /// None while a thread computes with it.
    pub backends: Vec<Option<Box<dyn Backend>>>,
    /// Device time that it had, and had to let pass while it was idle.
    pub served: Duration,
    /// A running mean of the time of a batch.
    pub recent: Duration,
    /// Its queue was dropped.
    pub closed: bool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("model", &self.model).field("waiting", &self.calls.len()).finish_non_exhaustive()
    }
}

impl Line {
    /// An empty line.
    pub fn new(model: &str, limits: QueueLimits, backends: Vec<Box<dyn Backend>>) -> Self {
        Self {
            model: model.into(),
            limits,
            calls: Lanes::default(),
            shadows: VecDeque::new(),
            backends: backends.into_iter().map(Some).collect(),
            served: Duration::ZERO,
            recent: Duration::ZERO,
            closed: false,
        }
    }

    /// The backend that this thread would compute with, when it is free: its own, or the one it shares.
    pub fn slot(&self, worker: usize) -> Option<usize> {
        let slot = worker % self.backends.len().max(1);
        self.backends.get(slot)?.is_some().then_some(slot)
    }

    /// No thread computes with it.
    pub fn is_at_rest(&self) -> bool {
        self.backends.iter().all(Option::is_some)
    }

    /// Whether one more may wait; those that gave up need no place.
    pub fn has_room(&mut self) -> bool {
        if self.calls.len() >= self.limits.queue {
            self.calls.forget_the_gone(Instant::now());
        }
        self.calls.len() < self.limits.queue
    }

    /// Adds a call; a line that was idle begins at the device's `clock`.
    pub fn push(&mut self, lane: Lane, entry: Entry, clock: Duration) {
        if self.calls.is_empty() {
            self.served = self.served.max(clock);
        }
        self.calls.push(lane, entry);
    }

    /// Drops what nobody waits for.
    pub fn forget_the_gone(&mut self, now: Instant) {
        self.calls.forget_the_gone(now);
        self.shadows.retain(|entry| !entry.is_gone(now));
    }

    /// Takes a backend back; the time that it was charged in advance becomes the time that it took.
    pub fn finish(&mut self, slot: usize, backend: Box<dyn Backend>, estimate: Duration, spent: Duration) {
        self.backends[slot] = Some(backend);
        self.served = self.served.saturating_sub(estimate) + spent;
        self.recent = if self.recent.is_zero() { spent } else { (self.recent * 3 + spent) / 4 };
    }

    /// How long what waits is likely to take one thread.
    pub fn backlog(&self) -> Duration {
        let batches = self.calls.len().div_ceil(self.limits.batch.max(1));
        self.recent * u32::try_from(batches).unwrap_or(u32::MAX)
    }
}
