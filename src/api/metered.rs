//! Metered routes: a call is counted as soon as its key is known, before its body is read, and every answer to it says where
//! the limits stand (draft-ietf-httpapi-ratelimit-headers).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poem::http::{HeaderValue, Method};
use poem::{Endpoint, EndpointExt as _, Request, Response};
use serde_json::{Value, json};

use super::{classify, detect, embed, jobs};
use crate::app::App;
use crate::auth::key::Caller;
use crate::inference::{InferenceError, admit};
use crate::metering::rate::{Standing, UnderWay};
use crate::web::json::problem::Problem;

/// `POST` to these is metered.
const ROUTES: &[&str] = &[detect::ROUTE, classify::ROUTE, embed::ROUTE, jobs::ROUTE];

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

    fn say(&self, response: &mut Response) {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.standings.is_empty() {
            return;
        }
        for (name, item) in [("ratelimit-policy", policy as fn(&Standing) -> String), ("ratelimit", standing)] {
            let list = passed.standings.iter().map(item).collect::<Vec<_>>().join(", ");
            if let Ok(value) = HeaderValue::from_str(&list) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// `"account";q=600;w=60`: what there is.
fn policy(of: &Standing) -> String {
    match of.window {
        Some(window) => format!("\"{}\";q={};w={}", of.policy, of.quota, seconds(window)),
        None => format!("\"{}\";q={};qu=\"concurrent-requests\"", of.policy, of.quota),
    }
}

/// `"account";r=599;t=30`: what is left of it.
fn standing(of: &Standing) -> String {
    match of.window {
        Some(_) => format!("\"{}\";r={};t={}", of.policy, of.left, seconds(of.resets_in)),
        None => format!("\"{}\";r={}", of.policy, of.left),
    }
}

/// Whole seconds, rounded up: who waits so long does not come too early.
fn seconds(time: Duration) -> u128 {
    time.as_millis().div_ceil(1000)
}

/// Wraps the API.
pub fn counted<E: Endpoint<Output = Response> + 'static>(inner: E) -> impl Endpoint<Output = Response> {
    inner.around(|inner, mut request: Request| async move {
        if request.method() != Method::POST || !ROUTES.contains(&request.uri().path()) {
            return inner.call(request).await;
        }
        let gate = Gate::default();
        request.set_data(gate.clone());
        let mut response = inner.call(request).await?;
        gate.say(&mut response);
        Ok(response)
    })
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
        assert_eq!((policy(&window), standing(&window)), ("\"account\";q=600;w=60".into(), "\"account\";r=599;t=30".into()));
        let under_way = Standing { policy: "concurrency", quota: 32, window: None, left: 31, resets_in: Duration::ZERO };
        assert_eq!(policy(&under_way), "\"concurrency\";q=32;qu=\"concurrent-requests\"");
        assert_eq!(standing(&under_way), "\"concurrency\";r=31");
    }
}
