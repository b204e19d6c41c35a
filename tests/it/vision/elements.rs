//! The shipped detector on pictures that it never saw, in fonts that it never saw.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lensmeter::vision::{
    DetectOptions, Detection, Findings, Inferred, Lane, Options, Picture, Task, Timing, Vision,
    backend::{Backend, Frame, Output},
    registry,
    torch::{Torch, trial},
};
use tch::Device;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

fn open() -> Vision {
    Vision::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), "cpu", 1).expect("the shipped model opens")
}

/// Nothing is kept.
const LANE: Lane = Lane { account: 1, weight: 1, fresh: true };

/// What a call found, and where its time went.
struct Detected {
    detections: Vec<Detection>,
    timing: Timing,
}

async fn infer(vision: &Vision, picture: &Picture, options: &DetectOptions) -> Detected {
    let route = vision.route(Task::Detect, None, 1).expect("there is a detector");
    let deadline = Instant::now() + Duration::from_secs(60);
    let inferred = vision.infer(&route, picture, &Options::Detect(options.clone()), LANE, deadline).await;
    let Inferred { findings: Findings::Detections(detections), timing, .. } = inferred.expect("the device works") else {
        panic!("a detector detects")
    };
    Detected { detections, timing }
}

async fn detect(vision: &Vision, file: &str, options: &DetectOptions) -> Detected {
    let bytes = std::fs::read(fixtures().join(file)).expect("the fixture is there");
    let route = vision.route(Task::Detect, None, 1).expect("there is a detector");
    let picture = vision.decode(&route, bytes.into(), LANE).await.expect("the fixture is a picture");
    infer(vision, &picture, options).await
}

/// Class and left, top, right, bottom of everything on a fixture, from the browser that drew it.
fn truth(file: &str) -> Vec<(String, [f32; 4])> {
    let text = std::fs::read_to_string(fixtures().join(file)).expect("the fixture is there");
    let objects: serde_json::Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number") as f32;
    let object = |o: &serde_json::Value| (o["class"].as_str().expect("a class").to_owned(), [0, 1, 2, 3].map(|i| number(&o["box"][i])));
    objects.as_array().expect("a list").iter().map(object).collect()
}

fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |r: [f32; 4]| (r[2] - r[0]).max(0.) * (r[3] - r[1]).max(0.);
    let inner = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    inner / (area(a) + area(b) - inner)
}

fn rect(d: &Detection) -> [f32; 4] {
    [d.xmin, d.ymin, d.xmax, d.ymax]
}

/// Shares of the true boxes of a class that were found, and of the detections that are right.
fn recall_and_precision(class: &str, truth: &[(String, [f32; 4])], found: &[Detection]) -> (f32, f32) {
    let truth: Vec<[f32; 4]> = truth.iter().filter(|(c, _)| c == class).map(|(_, r)| *r).collect();
    let found: Vec<[f32; 4]> = found.iter().filter(|d| d.class == class).map(rect).collect();
    let hit = |a: &[f32; 4], list: &[[f32; 4]]| list.iter().any(|b| iou(*a, *b) >= 0.5);
    let share = |of: &[[f32; 4]], list: &[[f32; 4]]| of.iter().filter(|a| hit(a, list)).count() as f32 / of.len().max(1) as f32;
    (share(&truth, &found), share(&found, &truth))
}

#[tokio::test]
async fn a_screenshot_gives_its_qr_code_and_its_lines() {
    let vision = open();
    let found = detect(&vision, "screen.png", &DetectOptions::default()).await;
    let truth = truth("screen.json");
    assert_eq!(recall_and_precision("qr_code", &truth, &found.detections), (1., 1.), "{:#?}", found.detections);
    let (recall, precision) = recall_and_precision("text_line", &truth, &found.detections);
    assert!(recall >= 0.8 && precision >= 0.8, "text: recall {recall}, precision {precision}");
    assert!(found.timing.compute <= found.timing.infer && found.timing.infer > Duration::ZERO);
}

#[tokio::test]
async fn a_photo_of_a_label_gives_its_codes() {
    let vision = open();
    let found = detect(&vision, "photo.jpg", &DetectOptions::default()).await;
    let truth = truth("photo.json");
    for class in ["qr_code", "barcode", "data_matrix"] {
        let (recall, _) = recall_and_precision(class, &truth, &found.detections);
        assert!(
            recall == 1.,
            "{class} is not found: {:#?}",
            found.detections.iter().filter(|d| d.class != "text_line").collect::<Vec<_>>()
        );
    }
    let (recall, precision) = recall_and_precision("text_line", &truth, &found.detections);
    assert!(recall >= 0.7 && precision >= 0.7, "text: recall {recall}, precision {precision}");
}

#[tokio::test]
async fn forms_give_their_boxes_to_tick_and_not_their_round_buttons() {
    let vision = open();
    for page in ["paper-form", "settings-dark", "survey"] {
        let found = detect(&vision, &format!("{page}.png"), &DetectOptions::default()).await;
        let truth = truth(&format!("{page}.json"));
        let (recall, precision) = recall_and_precision("checkbox", &truth, &found.detections);
        assert!(recall >= 0.9 && precision >= 0.85, "{page}: recall {recall}, precision {precision}");
        let (recall, precision) = recall_and_precision("text_line", &truth, &found.detections);
        assert!(recall >= 0.9 && precision >= 0.9, "{page}, text: recall {recall}, precision {precision}");
    }
}

#[tokio::test]
async fn codes_of_another_encoder_are_found_and_told_apart() {
    let vision = open();
    for page in ["parcel", "shelf"] {
        let found = detect(&vision, &format!("{page}.png"), &DetectOptions::default()).await;
        let truth = truth(&format!("{page}.json"));
        for class in ["qr_code", "barcode", "data_matrix"].into_iter().filter(|class| truth.iter().any(|(c, _)| c == class)) {
            assert_eq!(recall_and_precision(class, &truth, &found.detections), (1., 1.), "{page}: {class}");
        }
    }
}

#[tokio::test]
async fn options_choose_what_comes_back() {
    let vision = open();
    let only = |class: &str| DetectOptions { classes: Some(vec![class.to_owned()]), ..DetectOptions::default() };
    let codes = detect(&vision, "screen.png", &only("qr_code")).await.detections;
    assert!(!codes.is_empty() && codes.iter().all(|d| d.class == "qr_code" && d.class_id == 1), "{codes:?}");
    let three = detect(&vision, "screen.png", &DetectOptions { max_results: Some(3), ..DetectOptions::default() }).await.detections;
    assert_eq!(three.len(), 3);
    assert!(three.is_sorted_by(|a, b| a.confidence >= b.confidence), "the surest first");
    let none = detect(&vision, "screen.png", &DetectOptions { min_confidence: Some(1.), ..DetectOptions::default() }).await.detections;
    assert!(none.is_empty(), "{none:?}");
}

#[tokio::test]
async fn a_batch_gives_what_single_calls_give() {
    let vision = open();
    let alone = detect(&vision, "screen.png", &DetectOptions::default()).await.detections;
    let options = DetectOptions::default();
    let call = || detect(&vision, "screen.png", &options);
    let (a, b, c) = tokio::join!(call(), call(), call());
    assert!(
        a.timing.compute < a.timing.infer || b.timing.compute < b.timing.infer || c.timing.compute < c.timing.infer,
        "none shared a batch"
    );
    for found in [a, b, c] {
        assert_eq!(found.detections.len(), alone.len());
        // Equal scores may change places: a batch adds up in another order.
        let same = |one: &Detection, other: &Detection| iou(rect(one), rect(other)) > 0.99 && one.class == other.class;
        assert!(alone.iter().all(|one| found.detections.iter().any(|other| same(one, other))));
    }
}

#[tokio::test]
async fn boxes_lie_inside_the_picture_whatever_its_size() {
    let vision = open();
    assert!(vision.route(Task::Detect, Some("elements/1"), 1).is_ok());
    for (width, height) in [(1, 1), (3000, 40), (40, 3000), (65, 64)] {
        let rgb: Vec<u8> = (0..width * height * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let picture = lensmeter::vision::Picture::new(width, height, rgb);
        let options = DetectOptions { min_confidence: Some(0.06), ..DetectOptions::default() };
        let found = infer(&vision, &picture, &options).await;
        for d in found.detections {
            assert!(d.xmin >= 0. && d.ymin >= 0. && d.xmax <= width as f32 + 0.01 && d.ymax <= height as f32 + 0.01, "{d:?}");
        }
    }
    assert!(vision.route(Task::Embed, None, 1).is_err());
    assert!(vision.route(Task::Detect, Some("no-such"), 1).expect_err("unknown").to_string().contains("elements"));
}

/// Numbers of the class map of each frame.
fn scores(backend: &mut dyn Backend, frames: &[Frame]) -> Vec<Vec<f32>> {
    let outputs = backend.run(frames).expect("the network computes");
    let of = |output| if let Output::Maps(maps) = output { maps.scores } else { panic!("the detector gives maps") };
    outputs.into_iter().map(of).collect()
}

#[test]
fn threads_that_share_weights_compute_what_one_alone_computes() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/elements/1/model.toml");
    let info = registry::read(&manifest).expect("the shipped model is described");
    let mut first = Torch::load(&info, Device::Cpu, 1).expect("it loads");
    let pictures = trial::frames(&info, 4);
    let alone: Vec<_> = pictures.iter().map(|frame| scores(&mut first, std::slice::from_ref(frame))).collect();
    assert_ne!(alone[0], alone[1], "the pictures differ");
    let twins: Vec<_> = pictures.iter().map(|_| first.replicate().expect("this network can be shared")).collect();
    // What was loaded first may go: a version that is swapped out ends its threads one by one.
    drop(first);
    std::thread::scope(|threads| {
        for ((mut twin, frame), alone) in twins.into_iter().zip(&pictures).zip(&alone) {
            threads.spawn(move || (0..3).for_each(|_| assert_eq!(&scores(&mut *twin, std::slice::from_ref(frame)), alone)));
        }
    });
}
