//! Who calls: `Authorization: Bearer sk_test_…` or Basic with the key as the user; and in which API version.

use base64::{Engine, prelude::BASE64_STANDARD};
use poem::http::{HeaderMap, StatusCode, header::AUTHORIZATION};

use super::{API_VERSION, ApiError};

/// Checks the key and the version.
pub fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message));
    let Some(key) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(key) else {
        return refuse("You did not provide an API key. Provide it in the Authorization header: 'Authorization: Bearer sk_test_…'.");
    };
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return refuse(
            "This is the Lensmeter sandbox, and you sent a live key. Nothing was done; roll that key if others can see this traffic.",
        );
    }
    if !key.starts_with("sk_test_") && !key.starts_with("rk_test_") {
        return refuse("Invalid API Key provided: the sandbox takes sk_test_… keys.");
    }
    match headers.get("stripe-version").map(|value| value.to_str().unwrap_or("?")) {
        Some(other) if other != API_VERSION => {
            let message = format!("Invalid Stripe API version: {other}. The sandbox speaks {API_VERSION} only.");
            Err(ApiError::invalid(message).param("Stripe-Version"))
        }
        _ => Ok(()),
    }
}

fn key(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    Some(decoded.split(':').next().unwrap_or_default().to_owned())
}
