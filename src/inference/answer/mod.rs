//! The answer to a call: what its task found, and the receipt. One file for each task.

mod classify;
mod detect;
mod embed;

use std::time::Duration;

use bytes::Bytes;
use entity::ids::InferenceId;
use entity::money;
use serde::Serialize;

use crate::metering::Committed;
use crate::vision::{Findings, Inferred, Source};

pub use detect::Found;
pub use embed::Encoding;

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTiming {
    /// Of an image that was given by its URL.
    pub fetch: Option<Duration>,
    pub decode: Duration,
    pub queue: Duration,
    pub infer: Duration,
    pub commit: Duration,
}

impl ServerTiming {
    /// Each part by its name, in the order in which they happened.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { fetch, decode, queue, infer, commit } = *self;
        let always = [("decode", decode), ("queue", queue), ("infer", infer), ("commit", commit)];
        fetch.map(|fetch| ("fetch", fetch)).into_iter().chain(always)
    }
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
    result: TaskResult<'a>,
    /// Seconds from decoding to the end of inference.
    time: f64,
    usage: Usage,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TaskResult<'a> {
    Detection(Found<'a>),
    Classification(classify::Shown<'a>),
    Embedding(embed::Embedded<'a>),
}

#[derive(Serialize)]
struct Usage {
    event_id: String,
    images: i64,
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
    pub inferred: Inferred,
    pub encoding: Encoding,
    pub currency: String,
}

impl Draft {
    /// The JSON, once the usage is committed: contract, section 3.
    pub fn render(&self, committed: &Committed) -> Vec<u8> {
        let Inferred { model, timing, .. } = &self.inferred;
        let time = timing.decode + timing.queue + timing.infer;
        let (object, result) = self.result();
        let body = Body {
            id: self.id.to_string(),
            object,
            created: self.created,
            model: &model.name,
            model_version: &model.version,
            result,
            time: (time.as_secs_f64() * 1000.0).round() / 1000.0,
            usage: self.receipt(committed),
        };
        serde_json::to_vec(&body).expect("strings and finite numbers are JSON")
    }

    fn result(&self) -> (&'static str, TaskResult<'_>) {
        let size = self.inferred.size;
        match &self.inferred.findings {
            Findings::Detections(detections) => ("detection", TaskResult::Detection(Found::of(size, detections))),
            Findings::Classes(classes) => ("classification", TaskResult::Classification(classify::Shown::of(size, classes))),
            Findings::Embedding(features) => ("list", TaskResult::Embedding(embed::Embedded::of(size, features, self.encoding))),
        }
    }

    fn receipt(&self, committed: &Committed) -> Usage {
        let exponent = money::exponent(&self.currency);
        Usage {
            event_id: committed.event.to_string(),
            images: committed.quantity,
            megapixels: hundredths(self.inferred.size.megapixels_milli().div_ceil(10)),
            compute_ms: format!("{:.1}", self.inferred.timing.compute.as_secs_f64() * 1000.0),
            cached: self.inferred.source != Source::Computed,
            amount: committed.amount.decimal(exponent),
            currency: self.currency.clone(),
            balance: committed.remaining.decimal(exponent),
        }
    }
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// From 0 to 1, to four decimals.
fn confidence(value: f32) -> f64 {
    (f64::from(value) * 10_000.0).round() / 10_000.0
}
