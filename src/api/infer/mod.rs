//! What the routes that take an image share: reading the request, running the call, saying how long it took.

mod choice;
mod image;
pub mod schema;

use std::fmt::Write as _;

use poem::http::header;
use poem::{Body, Request};
use poem_openapi::ApiResponse;
use poem_openapi::types::{ToJSON, Type};

use super::auth::Key;
use crate::app::App;
use crate::auth::key::Scope;
use crate::inference::ServerTiming;
use crate::inference::run::{self, Idempotency, InferRequest};
use crate::metering::idempotency::LIFETIME;
use crate::vision::Task;
use crate::web::json::fields::{Fields, StoredJson};
use crate::web::json::problem::{Code, Problem};
use crate::web::request_id;

pub use choice::Choice;

/// The answer, with what the call took.
#[derive(ApiResponse)]
pub enum Answer<T: ToJSON + Type> {
    /// What was found, most confident first, and the receipt.
    #[oai(status = 200)]
    Done(
        StoredJson<T>,
        /// Where the time went, in milliseconds: `fetch` (of an image by URL), `decode`, `queue`, `infer`, `commit`.
        #[oai(header = "Server-Timing")]
        String,
        /// `true` when this is the stored answer of an earlier request with the same `Idempotency-Key`; it costs nothing.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

/// Runs the call that a request asks for.
///
/// # Errors
/// The refusals of the key, of the request and of the call; nothing is charged then.
pub async fn answer<T: ToJSON + Type>(
    (key, app): (&Key, &App),
    request: &Request,
    body: Body,
    (task, route): (Task, &'static str),
) -> Result<Answer<T>, Problem> {
    let (caller, body) = key.with_body(Scope::Infer, request, body).await?;
    let call = Box::pin(asked(request, body, (Some(task), route))).await?;
    // Boxed where it is made: each layer of routing above would move it.
    let answer = Box::pin(run::infer(&app.inference, caller, call)).await?;
    let replayed = answer.replayed.then(|| "true".to_owned());
    Ok(Answer::Done(StoredJson::new(answer.body), server_timing(&answer.timing), replayed))
}

/// The call that a request asks for. Without a task, the field `task` says which.
///
/// # Errors
/// What is wrong with the request.
pub async fn asked(request: &Request, body: Body, (task, route): (Option<Task>, &'static str)) -> Result<InferRequest, Problem> {
    let (image, fields) = image::read(request, body).await?;
    let mut fields = fields.over(Fields::of_query(request)?);
    let task = match task {
        Some(task) => task,
        None => named(fields.text("task")?.as_deref())?,
    };
    let choice = Choice::read(task, fields)?;
    let keyed = |key| Idempotency { key, fingerprint: choice.fingerprint(route, &image), keep: LIFETIME };
    let idempotency = idempotency_key(request)?.map(keyed);
    let Choice { model, options, encoding } = choice;
    let (fresh, request_id) = (wants_fresh(request), request_id::of(request));
    Ok(InferRequest { image, model, options, encoding, fresh, idempotency, request_id, route, promised: None })
}

fn named(task: Option<&str>) -> Result<Task, Problem> {
    let all = [Task::Detect, Task::Classify, Task::Embed];
    let Some(name) = task else { return Ok(Task::Detect) };
    let known = all.into_iter().find(|task| task.as_str() == name);
    known.ok_or_else(|| Problem::field(Code::InvalidField, "task", "expected `detect`, `classify` or `embed`"))
}

/// The key as the draft writes it (a quoted string) or bare, as everybody else does.
///
/// # Errors
/// 422 when it is something else.
pub fn idempotency_key(request: &Request) -> Result<Option<String>, Problem> {
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

/// `Cache-Control: no-cache`: nothing that was computed before will do.
fn wants_fresh(request: &Request) -> bool {
    let directives = request.header(header::CACHE_CONTROL).unwrap_or_default().split(',');
    directives.map(str::trim).any(|directive| directive.eq_ignore_ascii_case("no-cache"))
}

fn server_timing(timing: &ServerTiming) -> String {
    timing.parts().fold(String::with_capacity(96), |mut text, (name, took)| {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{name};dur={:.2}", took.as_secs_f64() * 1000.0);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, value: &str) -> Request {
        Request::builder().header(name, value).finish()
    }

    #[test]
    fn an_idempotency_key_comes_quoted_or_bare() {
        let key = |value: &str| idempotency_key(&request("Idempotency-Key", value));
        assert_eq!(key("\"abc\"").unwrap().as_deref(), Some("abc"));
        assert_eq!(key("abc").unwrap().as_deref(), Some("abc"));
        assert!(key("\"\"").is_err());
        assert!(key(&"x".repeat(256)).is_err());
    }

    #[test]
    fn a_fresh_answer_is_asked_for_as_http_says() {
        assert!(wants_fresh(&request("Cache-Control", "max-age=0, No-Cache")));
        assert!(!wants_fresh(&request("Cache-Control", "max-age=0")));
        assert!(!wants_fresh(&Request::builder().finish()));
    }
}
