//! `POST /v1/detect`: one image in, boxes out, and what it cost.

mod image;
mod schema;

use std::time::Duration;

use poem::web::Data;
use poem::{Body, Request};
use poem_openapi::{ApiResponse, OpenApi};
use sha2::{Digest as _, Sha256};

use self::schema::Detection;
use super::Tag;
use super::auth::Key;
use crate::app::App;
use crate::auth::key::Scope;
use crate::inference::ServerTiming;
use crate::inference::run::{self, Idempotency, ImageSource, InferRequest};
use crate::platform::secret;
use crate::vision::{DetectOptions, Options};
use crate::web::json::body;
use crate::web::json::fields::{Fields, StoredJson};
use crate::web::json::problem::{Code, Problem};
use crate::web::request_id;

/// The route, as metering and idempotency know it.
pub const ROUTE: &str = "/v1/detect";

pub struct DetectApi;

/// The answer, with what the call took.
#[derive(ApiResponse)]
pub enum Answer {
    /// The boxes, most confident first, and the receipt.
    #[oai(status = 200)]
    Done(
        StoredJson<Detection>,
        /// Where the time went, in milliseconds: `decode`, `queue`, `infer`, `commit`.
        #[oai(header = "Server-Timing")]
        String,
        /// `true` when this is the stored answer of an earlier request with the same `Idempotency-Key`; it costs nothing.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Inference")]
impl DetectApi {
    /// Detect objects
    ///
    /// Finds objects in one image. The image comes as the multipart field `image`, as the raw body, or as base64 in JSON;
    /// the options come beside it as fields, or in the query. The call is charged when, and only when, it answers 200.
    #[oai(path = "/detect", method = "post", operation_id = "detect")]
    async fn detect(&self, key: Key, app: Data<&App>, request: &Request, body: Body) -> Result<Answer, Problem> {
        let caller = match key.with(Scope::Infer) {
            Ok(caller) => caller,
            Err(problem) => {
                body::discard(request, body).await;
                return Err(problem);
            }
        };
        let (image, fields) = image::read(request, body).await?;
        let (model, options) = options(fields.over(Fields::of_query(request)?))?;
        let idempotency = idempotency_key(request)?.map(|key| Idempotency { key, fingerprint: fingerprint(&model, &options, &image) });
        let request_id = request_id::of(request);
        let (image, options) = (ImageSource::Bytes(image), Options::Detect(options));
        let work = InferRequest { image, model, options, idempotency, request_id, route: ROUTE };
        let answer = run::infer(&app.inference, caller, work).await?;
        let replayed = answer.replayed.then(|| "true".to_owned());
        Ok(Answer::Done(StoredJson::new(answer.body), server_timing(&answer.timing), replayed))
    }
}

/// The options that a request may carry; anything else is refused by name.
fn options(mut fields: Fields) -> Result<(Option<String>, DetectOptions), Problem> {
    let model = fields.text("model")?.filter(|model| !model.is_empty());
    let options = DetectOptions {
        min_confidence: fields.number("min_confidence", 0.0, 1.0)?.map(|number| number as f32),
        max_results: fields.whole("max_results", 1, 1000)?.map(|number| number as usize),
        iou: fields.number("iou", 0.0, 1.0)?.map(|number| number as f32),
        classes: None,
    };
    fields.finish()?;
    Ok((model, options))
}

/// The key as the draft writes it (a quoted string) or bare, as everybody else does.
fn idempotency_key(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let wrong =
        || Problem::field(Code::InvalidField, "Idempotency-Key", "expected 1 to 255 printable ASCII characters, a UUID for example");
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if key.is_empty() || key.len() > 255 {
        return Err(wrong());
    }
    Ok(Some(key.to_owned()))
}

/// Equal for equal requests: route, options and image, each of a fixed or announced length so that none runs into the next.
fn fingerprint(model: &Option<String>, options: &DetectOptions, image: &[u8]) -> [u8; 32] {
    let said = serde_json::json!([ROUTE, model, options.min_confidence, options.max_results, options.iou]).to_string();
    let mut hash = Sha256::new();
    hash.update(secret::sha256(said));
    hash.update(image);
    hash.finalize().into()
}

fn server_timing(timing: &ServerTiming) -> String {
    let parts = [("decode", timing.decode), ("queue", timing.queue), ("infer", timing.infer), ("commit", timing.commit)];
    let entry = |(name, took): (&str, Duration)| format!("{name};dur={:.2}", took.as_secs_f64() * 1000.0);
    parts.map(entry).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(header: &str) -> Request {
        Request::builder().header("Idempotency-Key", header).finish()
    }

    #[test]
    fn an_idempotency_key_comes_quoted_or_bare() {
        assert_eq!(idempotency_key(&request("\"abc\"")).unwrap().as_deref(), Some("abc"));
        assert_eq!(idempotency_key(&request("abc")).unwrap().as_deref(), Some("abc"));
        assert!(idempotency_key(&request("\"\"")).is_err());
        assert!(idempotency_key(&request(&"x".repeat(256))).is_err());
    }

    #[test]
    fn the_fingerprint_tells_requests_apart() {
        let options = DetectOptions::default();
        let one = fingerprint(&None, &options, b"image");
        assert_eq!(one, fingerprint(&None, &options, b"image"));
        assert_ne!(one, fingerprint(&None, &options, b"imagf"));
        assert_ne!(one, fingerprint(&Some("elements".into()), &options, b"image"));
    }
}
