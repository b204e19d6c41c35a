//! What was asked of the API, in the order in which it came: `GET /sandbox/requests`, emptied by `DELETE`.

use std::collections::VecDeque;

use poem::{
    Route, get, handler,
    http::StatusCode,
    web::{Data, Json},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::store::Store;

/// As many are kept; older ones go.
const KEPT: usize = 10_000;

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// `req_…`
    pub id: String,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// The form or the query, decoded, in the order in which it was sent.
    pub params: Vec<(String, String)>,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// What was answered; 0 when a fault cut the answer off.
    pub status: u16,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub struct Requests(VecDeque<Asked>);

impl Requests {
    /// Keeps one.
    pub fn keep(&mut self, asked: Asked) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(asked);
    }
}

/// `/sandbox/requests`
pub fn routes() -> Route {
    Route::new().at("/", get(all).delete(clear))
}

#[handler]
fn all(Data(store): Data<&Store>) -> Json<Value> {
    store.read(|state| Json(json!({ "data": state.requests.0 })))
}

#[handler]
fn clear(Data(store): Data<&Store>) -> StatusCode {
    store.write(|state| state.requests.0.clear());
    StatusCode::NO_CONTENT
}
