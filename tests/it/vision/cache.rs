//! Equal calls: computed once, kept for their account only.

use std::{sync::Arc, time::Duration};

use lensmeter::vision::{ClassifyOptions, InferError, Lane, Options, Settings, Size, Source, Vision};

use super::stage::{Models, Stage, call, class, lane, loader, picture, route, until};

struct Bench {
    models: Models,
    stage: Arc<Stage>,
    vision: Vision,
}

impl Bench {
    fn new(bytes: u64) -> Self {
        let (models, stage) = (Models::new(), Arc::new(Stage::default()));
        models.put("cat/1", "3");
        let settings = Settings { cache: bytes, ..models.settings() };
        let vision = Vision::start_with(&settings, loader(&stage, 1)).expect("the folder is right");
        Self { models, stage, vision }
    }

    fn spawn(&self, mark: u8, lane: Lane) -> tokio::task::JoinHandle<Result<Source, InferError>> {
        let (vision, route) = (self.vision.clone(), route(&self.vision, "cat", lane.account));
        tokio::spawn(async move { call(&vision, &route, &picture(mark), lane).await.map(|inferred| inferred.source) })
    }

    async fn source(&self, mark: u8, lane: Lane) -> Source {
        self.spawn(mark, lane).await.expect("no panic").expect("it works")
    }
}

const MEGABYTE: u64 = 1 << 20;

#[tokio::test]
async fn equal_calls_under_way_run_once_and_later_ones_not_at_all() {
    for bytes in [MEGABYTE, 0] {
        let bench = Bench::new(bytes);
        bench.stage.hold("cat/1");
        let calls: Vec<_> = (0..10).map(|_| bench.spawn(1, lane(7))).collect();
        until("the model is asked", || bench.stage.runs("cat/1") == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.stage.release("cat/1");
        let mut sources = Vec::new();
        for call in calls {
            sources.push(call.await.expect("no panic").expect("it works"));
        }
        let computed = sources.iter().filter(|source| **source == Source::Computed).count();
        assert_eq!(bench.stage.frames("cat/1"), computed, "{sources:?}");
        // Where nothing is kept, a call that came after the answer is computed again.
        assert!(computed == 1 || bytes == 0 && computed < 10, "{sources:?}");
        let again = bench.source(1, lane(7)).await;
        assert_eq!(again, if bytes > 0 { Source::Cached } else { Source::Computed });
    }
}

#[tokio::test]
async fn nothing_is_shared_between_accounts_pictures_or_options() {
    let bench = Bench::new(MEGABYTE);
    assert_eq!(bench.source(1, lane(7)).await, Source::Computed);
    assert_eq!(bench.source(1, lane(8)).await, Source::Computed, "another account learns nothing");
    assert_eq!(bench.source(2, lane(7)).await, Source::Computed, "another picture");
    assert_eq!(bench.source(1, Lane { fresh: true, ..lane(7) }).await, Source::Computed, "asked for");
    assert_eq!(bench.source(1, lane(7)).await, Source::Cached);
    let (route, deadline) = (route(&bench.vision, "cat", 7), std::time::Instant::now() + Duration::from_secs(20));
    let options = Options::Classify(ClassifyOptions { max_results: Some(1), ..ClassifyOptions::default() });
    let other = bench.vision.infer(&route, &picture(1), &options, lane(7), deadline).await.expect("it works");
    assert_eq!(other.source, Source::Computed, "other options");
    assert_eq!(bench.stage.frames("cat/1"), 5);
}

#[tokio::test]
async fn an_equal_file_is_answered_without_being_decoded_and_only_to_its_account() {
    let bench = Bench::new(MEGABYTE);
    let (file, other) = (png(1), png(2));
    let ask = async |file: &[u8], lane: Lane, options: ClassifyOptions| {
        let (route, options) = (route(&bench.vision, "cat", lane.account), Options::Classify(options));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        bench.vision.ask(&route, file.to_vec().into(), &options, lane, deadline).await.expect("it works")
    };
    let usual = ClassifyOptions::default;
    let first = ask(&file, lane(7), usual()).await;
    assert_eq!((first.source, first.size), (Source::Computed, Size { width: 48, height: 32 }));
    assert!(first.timing.decode > Duration::ZERO);
    let again = ask(&file, lane(7), usual()).await;
    assert_eq!((again.source, again.size, again.timing.decode), (Source::Cached, first.size, Duration::ZERO), "not decoded");
    assert_eq!(ask(&file, lane(8), usual()).await.source, Source::Computed, "another account learns nothing");
    assert_eq!(ask(&other, lane(7), usual()).await.source, Source::Computed, "another file");
    assert_eq!(ask(&file, Lane { fresh: true, ..lane(7) }, usual()).await.source, Source::Computed, "asked for");
    let one = ClassifyOptions { max_results: Some(1), ..usual() };
    assert_eq!(ask(&file, lane(7), one).await.source, Source::Computed, "other options");
    bench.models.put("cat/1", "4");
    bench.vision.reload().await;
    assert_eq!(ask(&file, lane(7), usual()).await.source, Source::Computed, "a changed model");
}

/// A file unlike that of another mark.
fn png(mark: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(48, 32, image::Rgb([mark; 3])).write_to(&mut bytes, image::ImageFormat::Png).expect("memory takes it");
    bytes.into_inner()
}

#[tokio::test]
async fn a_changed_model_answers_anew_under_its_old_name() {
    let bench = Bench::new(MEGABYTE);
    assert_eq!(bench.source(1, lane(7)).await, Source::Computed);
    bench.models.put("cat/1", "4");
    bench.vision.reload().await;
    let answer = call(&bench.vision, &route(&bench.vision, "cat", 7), &picture(1), lane(7)).await;
    assert_eq!(class(&answer), "4", "not the answer of the model that stood here before");
}

#[tokio::test]
async fn the_first_caller_going_away_leaves_the_others_their_answer() {
    let bench = Bench::new(MEGABYTE);
    bench.stage.hold("cat/1");
    // It keeps the device busy, so that the next waits in the queue.
    let busy = bench.spawn(9, lane(7));
    until("the device is busy", || bench.stage.runs("cat/1") == 1).await;
    let leader = bench.spawn(1, lane(7));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let followers: Vec<_> = (0..3).map(|_| bench.spawn(1, lane(7))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    leader.abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.stage.release("cat/1");
    assert_eq!(busy.await.expect("no panic"), Ok(Source::Computed));
    for follower in followers {
        assert!(follower.await.expect("no panic").is_ok());
    }
    assert_eq!(bench.stage.frames("cat/1"), 2, "the busy one, and one for the three that wait");
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let bench = Bench::new(MEGABYTE);
    bench.stage.fail("cat/1");
    assert!(matches!(bench.spawn(1, lane(7)).await.expect("no panic"), Err(InferError::Failed(_))));
    bench.stage.heal("cat/1");
    assert_eq!(bench.source(1, lane(7)).await, Source::Computed);
}
