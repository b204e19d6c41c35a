//! What waits for one model: a line for each account, served in turn, `weight` entries a round.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::backend::{Frame, Output};

/// Whose call it is, for fairness: accounts are served in turn, `weight` entries a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The account; caches are scoped to it.
    pub account: u128,
    /// Entries a round; 0 counts as 1.
    pub weight: u32,
    /// Computed anew: an earlier answer is not used, and this one is not kept.
    pub fresh: bool,
}

/// Where the time of one call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Of decoding the file; zero for a picture that came as pixels or was known.
    pub decode: Duration,
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
    /// The queue is full.
    #[error("the model's queue is full")]
    Overloaded {
        /// When there is likely to be room, from what waits and how long the last batches took.
        retry_after: Duration,
    },
    /// The deadline passed before the device was free.
    #[error("the deadline passed while waiting")]
    Deadline,
    /// The device failed at this picture; the next one is tried as usual.
    #[error("inference failed: {0}")]
    Failed(String),
}

/// What the device gives for one frame.
pub type Computed = Result<(Output, Timing), InferError>;

/// A frame that waits, and who waits for it.
#[derive(Debug)]
pub struct Entry {
    /// What is computed.
    pub frame: Frame,
    /// Not computed after it.
    pub deadline: Instant,
    /// When it began to wait.
    pub joined: Instant,
    /// Closed when the caller goes away.
    pub answer: oneshot::Sender<Computed>,
}

impl Entry {
    /// Nobody waits for it, or not any more.
    #[must_use]
    pub fn is_gone(&self, now: Instant) -> bool {
        self.answer.is_closed() || self.deadline <= now
    }
}

/// All that waits for one model.
#[derive(Debug, Default)]
pub struct Lanes {
    /// The first has its turn.
    lanes: VecDeque<Waiting>,
    count: usize,
}

#[derive(Debug)]
struct Waiting {
    account: u128,
    weight: u32,
    /// Entries until the turn passes on, at least 1.
    left: u32,
    entries: VecDeque<Entry>,
}

impl Lanes {
    /// Entries that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry to its account's line; a new line is the last to have its turn.
    pub fn push(&mut self, lane: Lane, entry: Entry) {
        let weight = lane.weight.max(1);
        self.count += 1;
        match self.lanes.iter_mut().find(|waiting| waiting.account == lane.account) {
            Some(waiting) => {
                waiting.weight = weight;
                waiting.left = waiting.left.min(weight);
                waiting.entries.push_back(entry);
            }
            None => {
                let entries = VecDeque::from([entry]);
                self.lanes.push_back(Waiting { account: lane.account, weight, left: weight, entries });
            }
        }
    }

    /// Drops the entries that nobody waits for.
    pub fn forget_the_gone(&mut self, now: Instant) {
        for waiting in &mut self.lanes {
            waiting.entries.retain(|entry| !entry.is_gone(now));
        }
        self.settle();
    }

    /// The oldest entry of the account whose turn it is, and with it what fits its size, at most `most`. An account whose
    /// next frame has another size keeps its turn.
    pub fn take(&mut self, most: usize) -> Vec<Entry> {
        let mut batch: Vec<Entry> = Vec::with_capacity(most.min(self.count));
        let mut passed = VecDeque::new();
        while batch.len() < most {
            let Some(mut waiting) = self.lanes.pop_front() else { break };
            let size = batch.first().map(|first| first.frame.size());
            let Some(entry) = waiting.entries.pop_front_if(|entry| size.is_none_or(|size| size == entry.frame.size())) else {
                passed.push_back(waiting);
                continue;
            };
            batch.push(entry);
            waiting.left -= 1;
            if waiting.left == 0 {
                waiting.left = waiting.weight;
                self.lanes.push_back(waiting);
            } else {
                self.lanes.push_front(waiting);
            }
        }
        passed.append(&mut self.lanes);
        self.lanes = passed;
        self.settle();
        batch
    }

    fn settle(&mut self) {
        self.lanes.retain(|waiting| !waiting.entries.is_empty());
        self.count = self.lanes.iter().map(|waiting| waiting.entries.len()).sum();
    }
}
