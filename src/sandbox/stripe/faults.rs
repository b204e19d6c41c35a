//! Faults on order, so that callers meet them before production does: the header `X-Sandbox-Fault: kind[:ms]` spoils
//! its own request; `POST /sandbox/faults` queues them for coming requests and webhooks.

use poem::{
    Response, Route, get, handler,
    http::{HeaderMap, StatusCode},
    web::{Data, Json},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::store::{State, Store, new_id};

const ON_REQUESTS: &[&str] = &["429", "500_before", "500_after", "drop_before", "drop_after", "slow", "html_502"];
const ON_WEBHOOKS: &[&str] =
    &["duplicate", "late", "lost", "old_version", "shuffle", "stale", "two_signatures", "unknown_type", "wrong_secret"];

/// One fault in the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Ours.
    #[serde(default)]
    pub id: String,
    /// What happens; the word decides whether it is for requests or for webhooks.
    pub kind: String,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
    /// Only requests whose `METHOD /path` contains this, or events whose type starts with it.
    #[serde(default)]
    pub matching: String,
    /// Milliseconds, for `slow`, `late`, `shuffle` and `duplicate`.
    pub ms: Option<u64>,
}

fn once() -> u32 {
    1
}

/// What becomes of one webhook.
#[derive(Debug, Default)]
pub struct Planned {
    /// `None`: never sent.
    pub delay_ms: Option<i64>,
    /// Spoils the first try.
    pub spoilt: Option<String>,
}

/// The fault for this request: its own header's, or the first waiting one.
pub fn for_request(state: &mut State, headers: &HeaderMap, call: &str) -> Option<(String, Option<u64>)> {
    if let Some(header) = headers.get("x-sandbox-fault").and_then(|value| value.to_str().ok()) {
        let (kind, ms) = header.split_once(':').unwrap_or((header, ""));
        return Some((kind.trim().to_owned(), ms.trim().parse().ok()));
    }
    take(state, |fault| ON_REQUESTS.contains(&fault.kind.as_str()) && call.contains(&fault.matching)).map(|f| (f.kind, f.ms))
}

/// How the webhook of an event of this type is sent: usually once and at once.
pub fn plan_webhook(state: &mut State, event_type: &str) -> Vec<Planned> {
    let at = |delay: u64| Planned { delay_ms: Some(i64::try_from(delay).unwrap_or(i64::MAX)), spoilt: None };
    let fault = take(state, |fault| ON_WEBHOOKS.contains(&fault.kind.as_str()) && event_type.starts_with(&fault.matching));
    let Some(fault) = fault else { return vec![at(0)] };
    match fault.kind.as_str() {
        "duplicate" => vec![at(0), at(fault.ms.unwrap_or(0))],
        "late" => vec![at(fault.ms.unwrap_or(5000))],
        "lost" => vec![Planned::default()],
        "shuffle" => vec![at(rand::random_range(0..=fault.ms.unwrap_or(3000)))],
        _ => vec![Planned { spoilt: Some(fault.kind), ..at(0) }],
    }
}

fn take(state: &mut State, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
    let at = state.faults.iter().position(fits)?;
    let fault = state.faults[at].clone();
    state.faults[at].times = fault.times.saturating_sub(1);
    if state.faults[at].times == 0 {
        state.faults.remove(at);
    }
    Some(fault)
}

/// `/sandbox/faults`
pub fn routes() -> Route {
    Route::new().at("/", get(all).post(add).delete(clear))
}

#[handler]
fn all(Data(store): Data<&Store>) -> Json<Value> {
    store.read(|state| Json(json!({"data": state.faults(), "on_requests": ON_REQUESTS, "on_webhooks": ON_WEBHOOKS})))
}

#[handler]
fn clear(Data(store): Data<&Store>) -> StatusCode {
    store.write(|state| state.faults.clear());
    StatusCode::NO_CONTENT
}

/// Takes one fault or a list of them.
#[handler]
fn add(Data(store): Data<&Store>, Json(body): Json<Value>) -> Response {
    let list = if body.is_array() { body } else { json!([body]) };
    let known = |fault: &Fault| ON_REQUESTS.contains(&fault.kind.as_str()) || ON_WEBHOOKS.contains(&fault.kind.as_str());
    let refused =
        |detail: String| Response::builder().status(StatusCode::BAD_REQUEST).body(json!({"error": {"message": detail}}).to_string());
    let mut faults: Vec<Fault> = match serde_json::from_value(list) {
        Ok(faults) => faults,
        Err(error) => return refused(error.to_string()),
    };
    if let Some(fault) = faults.iter().find(|fault| !known(fault)) {
        return refused(format!("Unknown fault {}: one of {}, {}", fault.kind, ON_REQUESTS.join(", "), ON_WEBHOOKS.join(", ")));
    }
    for fault in &mut faults {
        fault.id = new_id("fault");
    }
    let answer = json!({ "data": faults }).to_string();
    store.write(|state| state.faults.extend(faults));
    Response::builder().status(StatusCode::CREATED).content_type("application/json").body(answer)
}
