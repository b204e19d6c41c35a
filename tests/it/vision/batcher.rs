//! The queues before the device: what waits together is computed together, what nobody waits for is not computed, and
//! nobody's crowd, broken picture or slow model is another's trouble.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use futures_util::future::poll_immediate;
use lensmeter::vision::{
    InferError, Lane, Timing,
    backend::{Backend, Frame, Output},
    batcher::{Batcher, Queue, QueueLimits},
};
use tokio::task::JoinHandle;

/// A device that waits for permission before each batch, notes what it was given, and fails on demand.
struct Gated {
    gate: Arc<Mutex<Receiver<()>>>,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Backend for Gated {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        self.gate.lock().expect("no test panics while holding it").recv().map_err(|_| "the test ended")?;
        let marks: Vec<u64> = batch.iter().map(|frame| frame.pixels).collect();
        self.seen.lock().expect("no test panics while holding it").push(marks.clone());
        assert!(!marks.contains(&13), "thirteen breaks this device");
        if marks.contains(&14) {
            return Err("fourteen is refused".into());
        }
        Ok(batch.iter().map(|frame| Output::Row(vec![frame.pixels as f32])).collect())
    }
}

type Call = JoinHandle<Result<(u64, Timing), InferError>>;

/// The mark that a call was answered.
async fn mark(call: Call) -> Result<u64, InferError> {
    call.await.expect("no panic").map(|(mark, _)| mark)
}

/// Gives a call up.
async fn abandon(call: Call) {
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
}

struct Bench {
    queue: Arc<Queue>,
    other: Arc<Queue>,
    open: SyncSender<()>,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Bench {
    fn new(limits: QueueLimits) -> Self {
        let (open, gate) = sync_channel(100);
        let (gate, seen) = (Arc::new(Mutex::new(gate)), Arc::default());
        let batcher = Batcher::start(1).expect("a thread can be started");
        let model = |name| {
            let backend = Gated { gate: Arc::clone(&gate), seen: Arc::clone(&seen) };
            Arc::new(batcher.add(name, limits, vec![Box::new(backend)]))
        };
        Self { queue: model("test/1"), other: model("test/2"), open, seen }
    }

    /// Sends a frame that is known by its count of pixels; it is in the queue, or refused, when this returns.
    async fn send(&self, mark: u64, width: usize, account: u128) -> Call {
        self.send_to(&self.queue, mark, width, Lane { account, weight: 1, fresh: false }, Duration::from_secs(20)).await
    }

    async fn send_to(&self, queue: &Arc<Queue>, mark: u64, width: usize, lane: Lane, patience: Duration) -> Call {
        let queue = Arc::clone(queue);
        let frame = Frame { width, height: 64, rgb: Arc::from([]), pixels: mark };
        let mut call = Box::pin(async move {
            let (output, timing) = queue.infer(frame, lane, Instant::now() + patience).await?;
            assert!(timing.compute <= timing.infer);
            let Output::Row(row) = output else { panic!("this device gives rows") };
            Ok((row[0] as u64, timing))
        });
        // A call joins the queue when it is first polled.
        match poll_immediate(&mut call).await {
            Some(result) => tokio::spawn(async move { result }),
            None => tokio::spawn(call),
        }
    }

    /// The same for the first frame, which the device takes and holds.
    async fn occupy(&self) -> Call {
        let call = self.send(1, 64, 0).await;
        while self.queue.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
    let first = bench.occupy().await;
    let mut rest = Vec::new();
    for (mark, width) in [(2, 64), (3, 128), (4, 64), (5, 128)] {
        rest.push(bench.send(mark, width, u128::from(mark)).await);
    }
    bench.let_through(3);
    assert_eq!(mark(first).await, Ok(1));
    for (call, sent) in rest.into_iter().zip(2..) {
        assert_eq!(mark(call).await, Ok(sent), "each gets its own answer");
    }
    assert_eq!(bench.seen(), [vec![1], vec![2, 4], vec![3, 5]]);
}

#[tokio::test]
async fn a_crowd_of_one_caller_does_not_hold_up_another() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.occupy().await];
    for mark in 2..=6 {
        calls.push(bench.send(mark, 64, 7).await);
    }
    calls.push(bench.send(100, 64, 8).await);
    bench.let_through(3);
    for call in calls {
        assert!(mark(call).await.is_ok());
    }
    assert_eq!(bench.seen()[1], [2, 100, 3, 4], "the other caller's frame is second, not sixth");
}

#[tokio::test]
async fn turns_go_by_weight() {
    let bench = Bench::new(QueueLimits { batch: 4, queue: 20 });
    let mut calls = vec![bench.occupy().await];
    for mark in 10..16 {
        calls.push(bench.send(mark + 10, 64, 7).await);
        let heavy = Lane { account: 8, weight: 3, fresh: false };
        calls.push(bench.send_to(&bench.queue, mark + 20, 64, heavy, Duration::from_secs(20)).await);
    }
    bench.let_through(10);
    for call in calls {
        assert!(mark(call).await.is_ok());
    }
    let seen = bench.seen();
    assert_eq!(seen[1..3], [vec![20, 30, 31, 32], vec![21, 33, 34, 35]], "three of the one for each of the other");
    assert_eq!(seen[3], [22, 23, 24, 25], "who is alone has every turn");
}

#[tokio::test]
async fn a_model_with_a_crowd_does_not_hold_up_another_model() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.occupy().await];
    for mark in 2..=7 {
        calls.push(bench.send(mark, 64, 0).await);
    }
    let lane = Lane { account: 0, weight: 1, fresh: false };
    calls.push(bench.send_to(&bench.other, 100, 64, lane, Duration::from_secs(20)).await);
    bench.let_through(4);
    for call in calls {
        assert!(mark(call).await.is_ok());
    }
    assert_eq!(bench.seen()[1], [100], "the first model had the device until now");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.occupy().await];
    for mark in 2..=7 {
        calls.push(bench.send(mark, 64, 0).await);
    }
    // The device gives nothing yet: had it waited, it would wait on.
    assert!(matches!(mark(bench.send(8, 64, 0).await).await, Err(InferError::Overloaded { retry_after }) if !retry_after.is_zero()));
    // Those that give up make room.
    abandon(calls.pop().expect("seven calls")).await;
    calls.push(bench.send(9, 64, 0).await);
    bench.let_through(3);
    for call in calls {
        assert!(mark(call).await.is_ok());
    }
}

#[tokio::test]
async fn four_times_the_capacity_is_refused_and_delays_nobody() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.occupy().await];
    for mark in 20..60 {
        calls.push(bench.send(mark, 64, u128::from(mark % 5)).await);
        assert!(bench.queue.waiting() <= LIMITS.queue, "what waits, and with it memory, stays within its bound");
    }
    bench.let_through(3);
    let mut accepted = 0;
    for call in calls {
        match mark(call).await {
            Ok(_) => accepted += 1,
            Err(error) => assert!(matches!(error, InferError::Overloaded { .. }), "{error}"),
        }
    }
    assert_eq!(accepted, 1 + LIMITS.queue);
    // Three batches for all that was let in: nobody waited for more than the one under way and one before its own.
    assert_eq!(bench.seen().iter().map(Vec::len).collect::<Vec<_>>(), [1, 4, 2]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_computed() {
    let bench = Bench::new(LIMITS);
    let first = bench.occupy().await;
    let gone = bench.send(2, 64, 0).await;
    let lane = Lane { account: 0, weight: 1, fresh: false };
    let late = bench.send_to(&bench.queue, 3, 64, lane, Duration::from_millis(40)).await;
    let kept = bench.send(4, 64, 0).await;
    abandon(gone).await;
    assert_eq!(mark(late).await, Err(InferError::Deadline));
    bench.let_through(2);
    assert_eq!((mark(first).await, mark(kept).await), (Ok(1), Ok(4)));
    assert_eq!(bench.seen(), [vec![1], vec![4]]);
}

#[tokio::test]
async fn a_panic_or_an_error_fails_its_batch_only() {
    let bench = Bench::new(LIMITS);
    bench.let_through(3);
    let panicked = mark(bench.send(13, 64, 0).await).await;
    assert!(matches!(&panicked, Err(InferError::Failed(why)) if why.contains("thirteen")), "{panicked:?}");
    let refused = mark(bench.send(14, 64, 0).await).await;
    assert_eq!(refused, Err(InferError::Failed("fourteen is refused".into())));
    assert_eq!(mark(bench.send(15, 64, 0).await).await, Ok(15), "the thread still serves");
}

#[tokio::test]
async fn a_poisoned_picture_does_not_fail_its_neighbours() {
    let bench = Bench::new(LIMITS);
    let mut calls = vec![bench.occupy().await];
    for mark in [2, 13, 3, 14] {
        calls.push(bench.send(mark, 64, 0).await);
    }
    bench.let_through(2 + 4);
    let mut answers = Vec::new();
    for call in calls {
        answers.push(mark(call).await.ok());
    }
    assert_eq!(answers, [Some(1), Some(2), None, Some(3), None]);
    assert_eq!(bench.seen(), [vec![1], vec![2, 13, 3, 14], vec![2], vec![13], vec![3], vec![14]], "once more, and no more than that");
}

#[tokio::test]
async fn device_time_is_split_by_pixels_to_the_nanosecond() {
    let bench = Bench::new(LIMITS);
    let first = bench.occupy().await;
    let mut calls = Vec::new();
    for (account, pixels) in [(1, 300), (2, 200), (3, 7)] {
        calls.push(bench.send(pixels, 64, account).await);
    }
    bench.let_through(2);
    assert_eq!(mark(first).await, Ok(1));
    let mut timings: Vec<Timing> = Vec::new();
    for call in calls {
        timings.push(call.await.expect("no panic").expect("it works").1);
    }
    assert!(timings.iter().all(|timing| timing.infer == timings[0].infer), "one batch");
    assert_eq!(timings.iter().map(|timing| timing.compute).sum::<Duration>(), timings[0].infer);
    assert!(timings[0].compute > timings[1].compute && timings[1].compute > timings[2].compute);
}

#[tokio::test]
async fn the_threads_end_and_the_models_go_with_the_last_handle() {
    struct Gone(SyncSender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    impl Backend for Gone {
        fn run(&mut self, _: &[Frame]) -> Result<Vec<Output>, String> {
            Ok(Vec::new())
        }
    }
    let (gone, told) = sync_channel(2);
    let batcher = Batcher::start(2).expect("threads can be started");
    let backends = [Gone(gone.clone()), Gone(gone)].map(|backend| Box::new(backend) as Box<dyn Backend>);
    let queue = batcher.add("test/1", LIMITS, backends.into());
    drop(queue);
    drop(batcher);
    for _ in 0..2 {
        told.recv_timeout(Duration::from_secs(20)).expect("each backend is dropped");
    }
}
