//! Idempotency keys as Stripe treats them: the first answer is stored, errors and 500s too, and told again for 24 hours.

use poem::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ApiError, store::State};

const KEPT_SECONDS: i64 = 24 * 3600;

/// A stored answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The caller's key.
    pub key: String,
    /// Digest of method, path and parameters: the same key with others is an error.
    pub digest: String,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// `Request-Id` of the first request.
    pub request_id: String,
    /// When it was stored.
    pub created: i64,
}

/// What a key means for this request.
#[derive(Debug)]
pub enum Seen {
    /// Nothing was stored: do it.
    New,
    /// It was done: this was the answer.
    Before(Reply),
}

/// Digest of a request.
pub fn digest(method: &str, path: &str, params: &Value) -> String {
    hex::encode(Sha256::digest(format!("{method} {path} {params}")))
}

/// Looks a key up and marks it as running.
pub fn begin(state: &mut State, key: &str, digest: &str) -> Result<Seen, ApiError> {
    if key.len() > 255 {
        return Err(error(StatusCode::BAD_REQUEST, "Idempotency keys have at most 255 characters."));
    }
    if let Some(reply) = state.replies.get(key).filter(|reply| state.wall() - reply.created < KEPT_SECONDS) {
        if reply.digest != digest {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                 Try using a key other than '{key}' if you meant to execute a different request."
            );
            return Err(error(StatusCode::BAD_REQUEST, &message));
        }
        return Ok(Seen::Before(reply.clone()));
    }
    if !state.in_flight.insert(key.to_owned()) {
        let message = format!("There is currently another in-progress request using this Idempotent Key ('{key}').");
        return Err(error(StatusCode::CONFLICT, &message).code("idempotency_key_in_use"));
    }
    Ok(Seen::New)
}

fn error(status: StatusCode, message: &str) -> ApiError {
    ApiError::new(status, "idempotency_error", message)
}
