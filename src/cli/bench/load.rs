//! A closed loop of connections: each sends its next request when the last one was answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};

/// What is sent: the n-th request of the whole load.
pub type Make = Arc<dyn Fn(&Client, u64) -> RequestBuilder + Send + Sync>;

/// How hard.
#[derive(Clone, Copy)]
pub struct Shape {
    pub connections: usize,
    /// Not measured: caches, pools and batches fill.
    pub warm_up: Duration,
    pub length: Duration,
}

/// What came of it, of the measured part.
pub struct Outcome {
    /// Times of the answers with 200, ascending.
    answered: Vec<Duration>,
    /// Answers by status; a request without an answer counts as 0.
    pub statuses: BTreeMap<u16, u64>,
    seconds: f64,
}

impl Outcome {
    /// Answers with 200 a second.
    pub fn rate(&self) -> f64 {
        self.answered.len() as f64 / self.seconds
    }

    /// The time within which a share of the answers came, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = ((self.answered.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.answered.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.)
    }

    /// Everything that is no 200, in words.
    pub fn refused(&self) -> String {
        let others: Vec<String> =
            self.statuses.iter().filter(|(status, _)| **status != 200).map(|(status, count)| format!("{count} x {status}")).collect();
        if others.is_empty() { "none".into() } else { others.join(", ") }
    }
}

/// Runs the loop.
///
/// # Errors
/// When a client cannot be built.
pub async fn run(make: Make, shape: Shape) -> anyhow::Result<Outcome> {
    let sent = Arc::new(AtomicU64::new(0));
    let begin = Instant::now() + shape.warm_up;
    let end = begin + shape.length;
    let mut connections = Vec::new();
    for _ in 0..shape.connections {
        // A client for each: one pooled connection, as a customer's process has it.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(1).timeout(Duration::from_secs(60)).build()?;
        let (make, sent) = (Arc::clone(&make), Arc::clone(&sent));
        connections.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while Instant::now() < end {
                let started = Instant::now();
                let status = answer(make(&client, sent.fetch_add(1, Ordering::Relaxed))).await;
                // By when it was answered: one that began before the window and was answered in it was served in it.
                let answered = Instant::now();
                if (begin..=end).contains(&answered) {
                    seen.push((status, answered - started));
                }
                if status != 200 {
                    // A refused customer waits before the next try; without that the refusals would be the load.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            seen
        }));
    }
    let (mut answered, mut statuses) = (Vec::new(), BTreeMap::new());
    for connection in connections {
        for (status, time) in connection.await? {
            *statuses.entry(status).or_default() += 1;
            if status == 200 {
                answered.push(time);
            }
        }
    }
    answered.sort();
    Ok(Outcome { answered, statuses, seconds: shape.length.as_secs_f64() })
}

/// Sends a request and reads all of its answer. The status, or 0 without a whole answer.
pub async fn answer(request: RequestBuilder) -> u16 {
    let Ok(response) = request.send().await else { return 0 };
    let status = response.status();
    // The answer counts when all of it is here.
    if response.bytes().await.is_err() { 0 } else { StatusCode::as_u16(&status) }
}
