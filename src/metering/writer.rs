//! The group-commit writer: the batch is what queued while the last one committed. No timer, no second writer: both were
//! measured and gain nothing (reference: performance of durable metering).

use std::pin::pin;
use std::time::Instant;

use sea_orm::DatabaseConnection;
use tokio::sync::{mpsc, oneshot};

use super::commit::{Committed, Committer, Rejected, Usage};
use crate::platform::db;
use crate::platform::telemetry::own::{self, Part};

/// Calls that may wait for a commit. More is answered 503: the database is then seconds behind.
const QUEUE: usize = 8192;
/// One transaction is under way at a time; the second takes over from one that breaks.
const CONNECTIONS: u32 = 2;
/// Events of one transaction.
const BATCH: usize = 512;

/// A call that waits for its commit.
pub(super) struct Entry {
    pub usage: Usage,
    answer: oneshot::Sender<Result<Committed, Rejected>>,
}

/// Commits usage. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Entry>,
}

impl Writer {
    /// Starts the writing task; it ends when the last handle is gone and everything queued is written.
    pub fn start(db: &DatabaseConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(Committer::new(db::beside(db, CONNECTIONS)), waiting));
        Self { queue }
    }

    /// Returns once the usage is durable. The call may be answered exactly when this is `Ok`.
    ///
    /// # Errors
    /// See [`Rejected`]; then nothing was written and nothing is charged. One exception no one can exclude: when the
    /// connection dies in the middle of COMMIT, the outcome is unknown until the retry with the same key finds it.
    pub async fn commit(&self, usage: Usage) -> Result<Committed, Rejected> {
        let (answer, committed) = oneshot::channel();
        self.queue.try_send(Entry { usage, answer }).map_err(|_| Rejected::Overloaded)?;
        committed.await.unwrap_or(Err(Rejected::Unavailable))
    }
}

async fn write(mut committer: Committer, mut waiting: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let started = Instant::now();
        metrics::histogram!("lensmeter_commit_batch_events").record(batch.len() as f64);
        let (usages, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|entry| (entry.usage, entry.answer)).unzip();
        let calls = usages.len();
        let outcomes = own::measured(Part::Account, calls, pin!(committer.commit(usages))).await;
        metrics::histogram!("lensmeter_commit_seconds").record(started.elapsed().as_secs_f64());
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A client that went away is not told; what it used is on its bill, and its retry finds the answer.
            drop(answer.send(outcome));
        }
    }
}
