//! `/3ds/{pi_…|seti_…}`: the bank's 3-D Secure page, where the payer chooses how it ends.

use askama::Template;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use serde_json::Value;

use super::{amount_in, not_found, notice, page, see_other, text};
use crate::sandbox::stripe::{self, State, Store};

#[derive(Template)]
#[template(path = "sandbox/challenge.html")]
struct Page {
    id: String,
    amount: String,
}

/// `outcome=complete` or `outcome=fail`.
#[derive(Debug, Deserialize)]
struct Answer {
    outcome: String,
}

/// The page.
#[handler]
pub fn show(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    store.read(|state| match state.get(&id) {
        Some(intent) if intent["status"] == "requires_action" => {
            let amount = if intent["amount"].is_i64() { amount_in(intent, "amount") } else { String::new() };
            page(StatusCode::OK, &Page { id, amount })
        }
        Some(intent) => see_other(&next(state, intent)),
        None => not_found(),
    })
}

/// The payer answers.
#[handler]
pub fn submit(Path(id): Path<String>, Form(answer): Form<Answer>, Data(store): Data<&Store>) -> Response {
    let complete = answer.outcome == "complete";
    store.write(|state| {
        state.by_hand();
        let settled = match id.starts_with("seti_") {
            true => stripe::settle_setup_challenge(state, &id, complete),
            false => stripe::settle_challenge(state, &id, complete),
        };
        // A decline is kept on the intent; the page that the payer returns to shows it.
        match (settled, state.get(&id)) {
            (Ok(_) | Err(_), Some(intent)) => {
                let to = next(state, intent);
                if to.is_empty() { notice(StatusCode::OK, "Thank you", "You can close this page.", None) } else { see_other(&to) }
            }
            (_, None) => not_found(),
        }
    })
}

/// Where the payer came from, or goes to when all is done.
fn next(state: &State, intent: &Value) -> String {
    let succeeded = intent["status"] == "succeeded";
    if let Some(session) = intent["_session"].as_str() {
        let done = stripe::resume_session(state, session).ok().filter(|_| succeeded);
        return done.unwrap_or_else(|| format!("/pay/{session}"));
    }
    if let Some(invoice) = intent["_invoice"].as_str() {
        return format!("/invoice/{invoice}");
    }
    if let Some(portal) = intent["_portal"].as_str() {
        return format!("/portal/{portal}");
    }
    match intent["_return_url"].as_str() {
        Some(url) => {
            let joint = if url.contains('?') { '&' } else { '?' };
            let status = if succeeded { "succeeded" } else { "failed" };
            format!("{url}{joint}payment_intent={}&redirect_status={status}", text(intent, "id"))
        }
        None => String::new(),
    }
}
