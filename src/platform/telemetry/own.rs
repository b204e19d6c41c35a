//! Our own share of a metered call: what this process does for it beside decoding, inference and waiting for the database.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use metrics::Histogram;

/// A part of our own share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whose call it is.
    Authenticate,
    /// Price, limits, reservation.
    Admit,
    /// Rating, rows and answer, of the batch that the call is in.
    Account,
}

/// Runs a future and tells how long it was busy: the time in it, not the time that it waited.
pub async fn busy<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let (mut work, mut spent) = (pin!(work), Duration::ZERO);
    let done = poll_fn(|context| {
        let started = Instant::now();
        let polled = work.as_mut().poll(context);
        spent += started.elapsed();
        polled
    });
    let done = done.await;
    (done, spent)
}

/// Counts `calls` calls of which each took `spent` in a part: `lensmeter_own_seconds` in `/metrics`.
pub fn record(part: Part, spent: Duration, calls: usize) {
    // Looked up once and not for each call.
    static PARTS: LazyLock<[Histogram; 3]> =
        LazyLock::new(|| ["authenticate", "admit", "account"].map(|part| metrics::histogram!("lensmeter_own_seconds", "part" => part)));
    PARTS[part as usize].record_many(spent.as_secs_f64(), calls);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_not_being_busy() {
        let (number, spent) = busy(async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            7
        })
        .await;
        assert_eq!(number, 7);
        assert!(spent < Duration::from_millis(30));
    }
}
