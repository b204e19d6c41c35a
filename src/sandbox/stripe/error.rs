//! Stripe's error answer. The builder methods name the members of `error`.

use poem::http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::cards::Decline;

/// An error as Stripe answers it.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The whole body: `{"error": {…}}`.
    pub body: Value,
}

impl ApiError {
    /// Any `type` with any status.
    pub fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({"error": {"type": kind, "message": message.into()}}) }
    }

    /// 400 `invalid_request_error`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 404 for an id that does not exist.
    pub fn missing(kind: &str, id: &str) -> Self {
        let name = kind.replace('.', " ");
        let error = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("No such {name}: '{id}'"));
        error.code("resource_missing").param("id")
    }

    /// 402 `card_error`.
    pub fn card(decline: &Decline) -> Self {
        let error = Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", decline.message).code(decline.code);
        error.with("decline_code", json!(decline.decline_code))
    }

    /// Sets `error.code`.
    pub fn code(self, code: &str) -> Self {
        self.with("code", json!(code))
    }

    /// Sets `error.param`.
    pub fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// Sets any other member of `error`.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.body["error"][member] = value;
        self
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}
