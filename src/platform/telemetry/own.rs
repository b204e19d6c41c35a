//! Our own share of a metered call: what this process does for it beside decoding, inference and waiting for the database.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::Histogram;
use rustix::time::{ClockId, clock_gettime};

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

/// One of so many is measured: asking a thread's clock is a call of the kernel.
const SAMPLE: usize = 16;

/// Runs a part of `calls` calls, and now and then writes down what it took each of them: `lensmeter_own_seconds` in
/// `/metrics`, in processor time of the threads that ran it. Neither the time that it waits counts, nor the time in which
/// another process had the core.
pub async fn measured<T>(part: Part, calls: usize, mut work: Pin<&mut impl Future<Output = T>>) -> T {
    // Looked up once and not for each call.
    static PARTS: LazyLock<[Histogram; 3]> =
        LazyLock::new(|| ["authenticate", "admit", "account"].map(|part| metrics::histogram!("lensmeter_own_seconds", "part" => part)));
    static TURNS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    if !TURNS[part as usize].fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE) {
        return work.await;
    }
    let (done, spent) = timed(work.as_mut()).await;
    PARTS[part as usize].record_many(spent.as_secs_f64() / calls as f64, calls);
    done
}

/// Runs a future and tells how much processor time it took.
async fn timed<T>(mut work: Pin<&mut impl Future<Output = T>>) -> (T, Duration) {
    let mut spent = Duration::ZERO;
    let done = poll_fn(|context| {
        let started = thread_time();
        let polled = work.as_mut().poll(context);
        spent += thread_time().saturating_sub(started);
        polled
    });
    (done.await, spent)
}

/// Processor time of this thread so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn waiting_is_not_work() {
        let work = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            // Another process has the core meanwhile, as far as this thread knows.
            std::thread::sleep(Duration::from_millis(30));
            7
        };
        let (number, spent) = timed(pin!(work)).await;
        assert_eq!(number, 7);
        assert!(spent < Duration::from_millis(20), "{spent:?}");
    }

    #[tokio::test]
    async fn work_is_counted() {
        let work = async {
            let until = thread_time() + Duration::from_millis(5);
            while thread_time() < until {
                std::hint::spin_loop();
            }
        };
        let ((), spent) = timed(pin!(work)).await;
        assert!(spent >= Duration::from_millis(5), "{spent:?}");
    }
}
