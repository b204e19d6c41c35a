//! Metered routes: a call is counted as soon as its key is known, before its body is read, and every answer to it says where
//! the limits stand (draft-ietf-httpapi-ratelimit-headers).

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poem::http::{HeaderValue, Method};
use poem::{Request, Response};
use serde_json::{Value, json};

use super::{classify, detect, embed, jobs};
use crate::app::App;
use crate::auth::key::Caller;
use crate::inference::{InferenceError, admit};
use crate::metering::rate::{Standing, UnderWay};
use crate::web::json::problem::Problem;

/// `POST` to these is metered; their bodies are pictures.
pub const ROUTES: &[&str] = &[detect::ROUTE, classify::ROUTE, embed::ROUTE, jobs::ROUTE];

/// Travels with a metered request: what counting it came to. The call is under way until this is dropped.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    standings: Vec<Standing>,
    _under_way: Option<UnderWay>,
}

impl Gate {
    /// Counts the call.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub async fn pass(&self, app: &App, caller: &Caller) -> Result<(), Problem> {
        let counted = admit::count(&app.inference, caller).await;
        let (under_way, refusal) = match counted.verdict {
            Ok(under_way) => (Some(under_way), None),
            Err(refusal) => (None, Some(refusal)),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Passed { standings: counted.standings, _under_way: under_way };
        refusal.map_or(Ok(()), |refusal| Err(InferenceError::from(refusal).into()))
    }

    /// Adds where the limits stand to an answer.
    pub fn say(&self, response: &mut Response) {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.standings.is_empty() {
            return;
        }
        for (name, item) in [("ratelimit-policy", policy as Item), ("ratelimit", standing)] {
            if let Ok(value) = HeaderValue::from_str(&list(&passed.standings, item)) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Writes one member of a list.
type Item = fn(&mut String, &Standing) -> fmt::Result;

/// All in one text: this is written for every answer.
fn list(standings: &[Standing], item: Item) -> String {
    let mut text = String::with_capacity(48 * standings.len());
    for of in standings {
        if !text.is_empty() {
            text += ", ";
        }
        // Writing to a String cannot fail.
        let _ = item(&mut text, of);
    }
    text
}

/// `"account";q=600;w=60`: what there is.
fn policy(text: &mut String, of: &Standing) -> fmt::Result {
    match of.window {
        Some(window) => write!(text, "\"{}\";q={};w={}", of.policy, of.quota, seconds(window)),
        None => write!(text, "\"{}\";q={};qu=\"concurrent-requests\"", of.policy, of.quota),
    }
}

/// `"account";r=599;t=30`: what is left of it.
fn standing(text: &mut String, of: &Standing) -> fmt::Result {
    match of.window {
        Some(_) => write!(text, "\"{}\";r={};t={}", of.policy, of.left, seconds(of.resets_in)),
        None => write!(text, "\"{}\";r={}", of.policy, of.left),
    }
}

/// Whole seconds, rounded up: who waits so long does not come too early.
fn seconds(time: Duration) -> u128 {
    time.as_millis().div_ceil(1000)
}

/// Sends a gate along with a request of a metered route.
pub fn gate(request: &mut Request) -> Option<Gate> {
    if request.method() != Method::POST || !ROUTES.contains(&request.uri().path()) {
        return None;
    }
    let gate = Gate::default();
    request.set_data(gate.clone());
    Some(gate)
}

/// Adds the two headers to the answers of metered routes in the OpenAPI document.
pub fn describe(document: &mut Value) {
    let header =
        |description: &str, example: &str| json!({ "description": description, "schema": { "type": "string", "example": example } });
    document["components"]["headers"]["RateLimit-Policy"] =
        header("The limits that count here: `q` calls in `w` seconds, or under way.", "\"account\";q=600;w=60");
    document["components"]["headers"]["RateLimit"] =
        header("Where they stand: `r` calls are left, `t` seconds until more are.", "\"account\";r=599;t=30");
    for route in ROUTES {
        for (_, answer) in document["paths"][route]["post"]["responses"].as_object_mut().into_iter().flatten() {
            if answer.get("$ref").is_none() {
                for name in ["RateLimit", "RateLimit-Policy"] {
                    answer["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
                }
            }
        }
    }
    if let Some(limited) = document["components"]["responses"].get_mut("Problem429") {
        for name in ["RateLimit", "RateLimit-Policy"] {
            limited["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_lists_of_strings_with_parameters() {
        let window = Standing {
            policy: "account",
            quota: 600,
            window: Some(Duration::from_secs(60)),
            left: 599,
            resets_in: Duration::from_millis(29_001),
        };
        let both = |of: &Standing| [list(&[*of], policy), list(&[*of], standing)];
        assert_eq!(both(&window), ["\"account\";q=600;w=60", "\"account\";r=599;t=30"]);
        let under_way = Standing { policy: "concurrency", quota: 32, window: None, left: 31, resets_in: Duration::ZERO };
        assert_eq!(both(&under_way), ["\"concurrency\";q=32;qu=\"concurrent-requests\"", "\"concurrency\";r=31"]);
        assert_eq!(list(&[window, under_way], standing), "\"account\";r=599;t=30, \"concurrency\";r=31");
    }
}
