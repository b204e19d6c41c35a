//! The queue before the device: what waits together is computed together, and what nobody waits for is not computed.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use lensmeter::vision::{
    InferError,
    backend::{Backend, Frame, Output},
    batcher::{Batcher, QueueLimits},
};

/// A device that waits for permission before each batch, notes what it was given, and fails on demand.
struct Gated {
    gate: Receiver<()>,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Backend for Gated {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        self.gate.recv().map_err(|_| "the test ended")?;
        let marks: Vec<u64> = batch.iter().map(|frame| frame.pixels).collect();
        self.seen.lock().expect("no test panics while holding it").push(marks.clone());
        assert!(!marks.contains(&13), "thirteen breaks this device");
        if marks.contains(&14) {
            return Err("fourteen is refused".into());
        }
        Ok(batch.iter().map(|frame| Output::Row(vec![frame.pixels as f32])).collect())
    }
}

struct Bench {
    batcher: Arc<Batcher>,
    open: SyncSender<()>,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Bench {
    fn new(limits: QueueLimits) -> Self {
        let (open, gate) = sync_channel(100);
        let seen = Arc::default();
        let backend = Gated { gate, seen: Arc::clone(&seen) };
        let batcher = Batcher::start("test", Box::new(backend), limits).expect("a thread can be started");
        Self { batcher: Arc::new(batcher), open, seen }
    }

    /// Sends a frame that is known by its count of pixels; waits until it is in the queue or beyond.
    async fn send(&self, mark: u64, width: usize, lane: u128) -> tokio::task::JoinHandle<Result<u64, InferError>> {
        self.send_until(mark, width, lane, Duration::from_secs(20)).await
    }

    async fn send_until(
        &self,
        mark: u64,
        width: usize,
        lane: u128,
        patience: Duration,
    ) -> tokio::task::JoinHandle<Result<u64, InferError>> {
        let batcher = Arc::clone(&self.batcher);
        let frame = Frame { width, height: 64, rgb: Arc::from([]), pixels: mark };
        let call = tokio::spawn(async move {
            let (output, timing) = batcher.infer(frame, lane, Instant::now() + patience).await?;
            assert!(timing.compute <= timing.infer);
            let Output::Row(row) = output else { panic!("this device gives rows") };
            Ok(row[0] as u64)
        });
        tokio::time::sleep(Duration::from_millis(15)).await;
        call
    }

    fn let_through(&self, batches: usize) {
        (0..batches).for_each(|_| self.open.send(()).expect("the device thread lives"));
    }

    fn seen(&self) -> Vec<Vec<u64>> {
        self.seen.lock().expect("no test panics while holding it").clone()
    }
}

const LIMITS: QueueLimits = QueueLimits { batch: 4, queue: 6 };

#[tokio::test]
async fn what_waits_is_one_batch_of_one_size() {
    let bench = Bench::new(LIMITS);
    let first = bench.send(1, 64, 0).await;
    let mut rest = Vec::new();
    for (mark, width) in [(2, 64), (3, 128), (4, 64), (5, 128)] {
        rest.push(bench.send(mark, width, u128::from(mark)).await);
    }
    bench.let_through(3);
    assert_eq!(first.await.expect("no panic"), Ok(1));
    for (call, mark) in rest.into_iter().zip(2..) {
        assert_eq!(call.await.expect("no panic"), Ok(mark), "each gets its own answer");
    }
    // Which of two that came together stands first in their batch is nobody's business.
    let mut seen = bench.seen();
    seen.iter_mut().for_each(|batch| batch.sort_unstable());
    assert_eq!(seen, [vec![1], vec![2, 4], vec![3, 5]]);
}

#[tokio::test]
async fn a_crowd_of_one_caller_does_not_hold_up_another() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.send(1, 64, 7).await];
    for mark in 2..=6 {
        calls.push(bench.send(mark, 64, 7).await);
    }
    calls.push(bench.send(100, 64, 8).await);
    bench.let_through(3);
    for call in calls {
        assert!(call.await.expect("no panic").is_ok());
    }
    assert_eq!(bench.seen()[1], [2, 100, 3, 4], "the other caller's frame is second, not sixth");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.send(1, 64, 0).await];
    for mark in 2..=7 {
        calls.push(bench.send(mark, 64, 0).await);
    }
    let started = Instant::now();
    assert_eq!(bench.send(8, 64, 0).await.await.expect("no panic"), Err(InferError::Overloaded));
    assert!(started.elapsed() < Duration::from_millis(200));
    // Those that give up make room.
    calls.pop().expect("seven calls").abort();
    tokio::time::sleep(Duration::from_millis(15)).await;
    calls.push(bench.send(9, 64, 0).await);
    bench.let_through(3);
    for call in calls {
        assert!(call.await.expect("no panic").is_ok());
    }
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_computed() {
    let bench = Bench::new(LIMITS);
    let first = bench.send(1, 64, 0).await;
    let gone = bench.send(2, 64, 0).await;
    let late = bench.send_until(3, 64, 0, Duration::from_millis(40)).await;
    let kept = bench.send(4, 64, 0).await;
    gone.abort();
    assert_eq!(late.await.expect("no panic"), Err(InferError::Deadline));
    bench.let_through(2);
    assert_eq!((first.await.expect("no panic"), kept.await.expect("no panic")), (Ok(1), Ok(4)));
    assert_eq!(bench.seen(), [vec![1], vec![4]]);
}

#[tokio::test]
async fn a_panic_or_an_error_fails_its_batch_only() {
    let bench = Bench::new(LIMITS);
    bench.let_through(3);
    let panicked = bench.send(13, 64, 0).await.await.expect("the caller does not panic");
    assert!(matches!(&panicked, Err(InferError::Failed(why)) if why.contains("thirteen")), "{panicked:?}");
    let refused = bench.send(14, 64, 0).await.await.expect("no panic");
    assert_eq!(refused, Err(InferError::Failed("fourteen is refused".into())));
    assert_eq!(bench.send(15, 64, 0).await.await.expect("no panic"), Ok(15), "the thread still serves");
}
