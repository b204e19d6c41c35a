//! The answer of a detection: Roboflow's field names (x and y are the centre) with a Hugging Face box, and the receipt.

use std::time::Duration;

use bytes::Bytes;
use entity::ids::InferenceId;
use entity::money;
use serde::Serialize;

use crate::metering::Committed;
use crate::vision::{Detection, Findings, Inferred, Picture, Source};

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTiming {
    pub decode: Duration,
    pub queue: Duration,
    pub infer: Duration,
    pub commit: Duration,
}

/// What a call is answered with.
#[derive(Debug, Clone)]
pub struct Answer {
    /// JSON.
    pub body: Bytes,
    /// True when this answer was given before: it cost nothing.
    pub replayed: bool,
    pub timing: ServerTiming,
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    model_version: &'a str,
    #[serde(flatten)]
    found: Found<'a>,
    /// Seconds from decoding to the end of inference.
    time: f64,
    usage: Usage,
}

/// What a detection found in a picture.
#[derive(Serialize)]
pub struct Found<'a> {
    image: Size,
    predictions: Vec<Prediction<'a>>,
}

impl<'a> Found<'a> {
    /// The part of the answer that has nothing to do with who asked.
    pub fn of(picture: &Picture, detections: &'a [Detection]) -> Self {
        Self {
            image: Size { width: picture.width, height: picture.height },
            predictions: detections.iter().map(prediction).collect(),
        }
    }
}

#[derive(Serialize)]
struct Size {
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Prediction<'a> {
    detection_id: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    confidence: f64,
    class: &'a str,
    class_id: usize,
    #[serde(rename = "box")]
    bounds: Bounds,
}

#[derive(Serialize)]
struct Bounds {
    xmin: i64,
    ymin: i64,
    xmax: i64,
    ymax: i64,
}

#[derive(Serialize)]
struct Usage {
    event_id: String,
    images: u32,
    megapixels: String,
    compute_ms: String,
    cached: bool,
    amount: String,
    currency: String,
    balance: String,
}

/// Everything of an answer but its price.
pub(super) struct Draft {
    pub id: InferenceId,
    pub created: i64,
    pub picture: Picture,
    pub inferred: Inferred,
    pub currency: String,
}

impl Draft {
    /// The JSON, once the usage is committed: contract, section 3.
    pub fn render(&self, committed: &Committed) -> Vec<u8> {
        let exponent = money::exponent(&self.currency);
        let Inferred { model, findings, timing, source } = &self.inferred;
        let time = self.picture.decode + timing.queue + timing.infer;
        let Findings::Detections(detections) = findings else { unimplemented!("helper A") };
        let body = Body {
            id: self.id.to_string(),
            object: "detection",
            created: self.created,
            model: &model.name,
            model_version: &model.version,
            found: Found::of(&self.picture, detections),
            time: (time.as_secs_f64() * 1000.0).round() / 1000.0,
            usage: Usage {
                event_id: committed.event.to_string(),
                images: 1,
                megapixels: hundredths(self.picture.megapixels_milli().div_ceil(10)),
                compute_ms: format!("{:.1}", timing.compute.as_secs_f64() * 1000.0),
                cached: *source != Source::Computed,
                amount: committed.amount.decimal(exponent),
                currency: self.currency.clone(),
                balance: committed.remaining.decimal(exponent),
            },
        };
        serde_json::to_vec(&body).expect("strings and finite numbers are JSON")
    }
}

fn prediction(detection: &Detection) -> Prediction<'_> {
    let Detection { class, class_id, confidence, xmin, ymin, xmax, ymax, .. } = detection;
    Prediction {
        detection_id: uuid::Uuid::now_v7().simple().to_string(),
        x: tenth((xmin + xmax) / 2.0),
        y: tenth((ymin + ymax) / 2.0),
        width: tenth(xmax - xmin),
        height: tenth(ymax - ymin),
        confidence: (f64::from(*confidence) * 10_000.0).round() / 10_000.0,
        class,
        class_id: *class_id,
        bounds: Bounds { xmin: xmin.round() as i64, ymin: ymin.round() as i64, xmax: xmax.round() as i64, ymax: ymax.round() as i64 },
    }
}

/// Pixels to one decimal: more would be noise.
fn tenth(pixels: f32) -> f64 {
    (f64::from(pixels) * 10.0).round() / 10.0
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
