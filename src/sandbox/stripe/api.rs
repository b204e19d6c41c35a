//! The protocol around every operation: fault, key, version, parameters, idempotency, answer.

use std::{convert::Infallible, time::Duration};

use poem::{
    Body, Request, Response, Route, handler,
    http::{HeaderMap, Method, StatusCode},
    web::Data,
};
use serde_json::{Value, json};

use super::{
    API_VERSION, ApiError, auth, faults, form,
    idempotency::{self, Reply, Seen},
    params::Params,
    requests::Asked,
    routes::{self, Call},
    store::{State, Store, new_id},
};

const BODY_LIMIT: usize = 1024 * 1024;

/// `/v1/…`
pub fn routes() -> Route {
    Route::new().at("/*rest", respond)
}

/// An answer before it is written: status, body, and the stored request that it repeats.
struct Outcome {
    status: StatusCode,
    body: Value,
    original: Option<String>,
}

impl From<ApiError> for Outcome {
    fn from(error: ApiError) -> Self {
        Self { status: error.status, body: error.body, original: None }
    }
}

#[handler]
async fn respond(request: &Request, body: Body, Data(store): Data<&Store>) -> Result<Response, Infallible> {
    let request_id = new_id("req");
    let headers = request.headers();
    let line = format!("{} {}", request.method(), request.original_uri().path());
    let fault = store.write(|state| faults::for_request(state, headers, &line));
    let (fault, ms) = fault.map_or((None, None), |(kind, ms)| (Some(kind), ms));
    let fault = fault.as_deref();
    let body = body.into_bytes_limit(BODY_LIMIT).await;
    let mut asked = asked(request, &request_id, body.as_deref().unwrap_or_default());
    if fault == Some("drop_before") {
        store.write(|state| state.requests.keep(asked));
        drop_connection();
    }
    if let Some(spoilt) = before(fault, &request_id) {
        asked.status = spoilt.status().as_u16();
        store.write(|state| state.requests.keep(asked));
        return Ok(spoilt);
    }
    let outcome = match body.map_err(|_| ApiError::invalid("Request body too large.")).and_then(|body| parse(request, &body)) {
        Err(error) => error.into(),
        Ok(call) => {
            let pause = Duration::from_millis(if fault == Some("slow") { ms.unwrap_or(3000) } else { 0 });
            run(store, headers, call, &request_id, pause, fault == Some("500_after")).await
        }
    };
    tracing::debug!(request_id, call = line, status = outcome.status.as_u16(), "sandbox: Stripe call");
    asked.status = if fault == Some("drop_after") { 0 } else { outcome.status.as_u16() };
    store.write(|state| state.requests.keep(asked));
    if fault == Some("drop_after") {
        drop_connection();
    }
    Ok(written(headers, &request_id, outcome))
}

fn asked(request: &Request, id: &str, body: &[u8]) -> Asked {
    let text = if request.method() == Method::POST { body } else { request.original_uri().query().unwrap_or_default().as_bytes() };
    Asked {
        id: id.to_owned(),
        method: request.method().to_string(),
        path: request.original_uri().path().to_owned(),
        params: serde_urlencoded::from_bytes(text).unwrap_or_default(),
        idempotency_key: request.header("idempotency-key").map(str::to_owned),
        status: 0,
    }
}

/// Faults that come before anything is done.
fn before(fault: Option<&str>, request_id: &str) -> Option<Response> {
    let error = match fault? {
        "429" => {
            let message = "Too many requests in a period of time; please slow down. (sandbox fault)";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "invalid_request_error", message).code("rate_limit")
        }
        "500_before" => broken(),
        "html_502" => {
            let page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
            return Some(Response::builder().status(StatusCode::BAD_GATEWAY).content_type("text/html").body(page));
        }
        _ => return None,
    };
    Some(written(&HeaderMap::new(), request_id, error.into()))
}

fn broken() -> ApiError {
    let message = "An unknown error occurred on our side. (sandbox fault)";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message)
}

fn parse(request: &Request, body: &[u8]) -> Result<Call, ApiError> {
    auth::check(request.headers())?;
    let text = if request.method() == Method::POST {
        if request.content_type().is_some_and(|kind| !kind.starts_with("application/x-www-form-urlencoded")) && !body.is_empty() {
            return Err(ApiError::invalid("Invalid request: v1 takes application/x-www-form-urlencoded."));
        }
        std::str::from_utf8(body).map_err(|_| ApiError::invalid("Invalid form encoding: not UTF-8."))?
    } else {
        request.original_uri().query().unwrap_or_default()
    };
    let params = Params::new(form::decode(text).map_err(ApiError::invalid)?);
    routes::route(request.method(), request.original_uri().path(), params)
}

async fn run(store: &Store, headers: &HeaderMap, call: Call, request_id: &str, pause: Duration, break_after: bool) -> Outcome {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).filter(|key| !key.is_empty());
    let key = key.filter(|_| call.method == Method::POST).map(str::to_owned);
    let digest = idempotency::digest(call.method.as_str(), &call.path, call.params.raw());
    if let Some(key) = &key {
        match store.write(|state| idempotency::begin(state, key, &digest)) {
            Err(error) => return error.into(),
            Ok(Seen::Before(reply)) => {
                let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Outcome { status, body: reply.body, original: Some(reply.request_id) };
            }
            Ok(Seen::New) => {}
        }
    }
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    // The effect and the stored answer are one write: a kill between them would make a retry do it twice.
    store.write(|state| {
        state.request = json!({"id": request_id, "idempotency_key": key});
        let mut outcome = perform(state, &call);
        if break_after {
            outcome = broken().into();
        }
        if let Some(key) = key {
            state.in_flight.remove(&key);
            let (status, body) = (outcome.status.as_u16(), outcome.body.clone());
            state.put_reply(Reply { key, digest, status, body, request_id: request_id.to_owned(), created: state.now() });
        }
        outcome
    })
}

fn perform(state: &mut State, call: &Call) -> Outcome {
    match routes::run(state, call) {
        Ok(body) => Outcome { status: StatusCode::OK, body, original: None },
        Err(error) => error.into(),
    }
}

fn written(headers: &HeaderMap, request_id: &str, outcome: Outcome) -> Response {
    let retry = matches!(outcome.status.as_u16(), 409 | 429 | 500..);
    let mut answer = Response::builder()
        .status(outcome.status)
        .content_type("application/json")
        .header("request-id", request_id)
        .header("stripe-version", API_VERSION)
        .header("stripe-should-retry", if retry { "true" } else { "false" });
    if let Some(key) = headers.get("idempotency-key") {
        answer = answer.header("idempotency-key", key.clone());
    }
    if let Some(original) = outcome.original {
        answer = answer.header("idempotent-replayed", "true").header("original-request", original);
    }
    answer.body(format!("{:#}", outcome.body))
}

/// Unwinding ends the task of this connection, so that the caller sees it closed without a byte of an answer; a body
/// that fails comes too late, for its head is sent before. `resume_unwind` prints nothing.
fn drop_connection() -> ! {
    std::panic::resume_unwind(Box::new("sandbox fault: connection dropped"))
}
