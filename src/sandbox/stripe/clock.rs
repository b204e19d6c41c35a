//! Stripe's time as the sandbox keeps it: real, or ahead of that by what a test ordered, or a customer's test clock.
//!
//! `POST /sandbox/clock {"advance_seconds": n}` or `{"now": seconds}` moves it, so that what takes hours or days at Stripe
//! (keys that are forgotten, sessions that expire, webhooks that come again) happens within a test.

use poem::{
    Response, Route, get, handler,
    http::StatusCode,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{State, Store};
use crate::sandbox::clock::real_now;

impl State {
    /// Now in Stripe's whole seconds, for the objects of the running call.
    pub fn now(&self) -> i64 {
        self.frozen.unwrap_or_else(|| self.wall())
    }

    /// Now in whole seconds, whatever test clock the running call's customer has.
    pub fn wall(&self) -> i64 {
        self.wall_millis().div_euclid(1000)
    }

    /// The same in milliseconds.
    pub fn wall_millis(&self) -> i64 {
        real_now().timestamp_millis().saturating_add(self.ahead.saturating_mul(1000))
    }
}

/// An order to the clock: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    advance_seconds: Option<i64>,
    now: Option<i64>,
}

/// `/sandbox/clock`
pub fn routes() -> Route {
    Route::new().at("/", get(show).post(set))
}

#[handler]
fn show(Data(store): Data<&Store>) -> Json<Value> {
    Json(store.read(|state| json!({"now": state.wall(), "ahead_seconds": state.ahead})))
}

#[handler]
fn set(Data(store): Data<&Store>, Json(order): Json<Order>) -> Response {
    let told = store.write(|state| {
        let ahead = match (order.advance_seconds, order.now) {
            (Some(seconds), None) => state.ahead.saturating_add(seconds),
            (None, Some(now)) => state.ahead.saturating_add(now.saturating_sub(state.wall())),
            _ => return None,
        };
        state.put_ahead(ahead);
        Some(json!({"now": state.wall(), "ahead_seconds": ahead}))
    });
    match told {
        Some(told) => Response::builder().content_type("application/json").body(told.to_string()),
        None => Response::builder().status(StatusCode::BAD_REQUEST).body("send one of advance_seconds and now"),
    }
}
