//! `/3ds/{pi_…|seti_…}`: the bank's 3-D Secure page, or the wallet's, where the payer chooses how it ends.

use askama::Template;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use serde_json::Value;

use super::{amount_in, not_found, notice, page, pay::wallet_name, see_other, text};
use crate::sandbox::stripe::{self, ApiError, State, Store, WalletAnswer};

#[derive(Template)]
#[template(path = "sandbox/challenge.html")]
struct Page {
    id: String,
    amount: String,
    wallet: Option<&'static str>,
}

/// `outcome=complete`, `outcome=fail`, or for a wallet `outcome=later`.
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
            let wallet = wallet_of(state, intent).map(|kind| wallet_name(&kind));
            page(StatusCode::OK, &Page { id, amount, wallet })
        }
        Some(intent) => see_other(&next(state, intent)),
        None => not_found(),
    })
}

/// The payer answers.
#[handler]
pub fn submit(Path(id): Path<String>, Form(answer): Form<Answer>, Data(store): Data<&Store>) -> Response {
    store.write(|state| {
        state.by_hand();
        let settled = settle(state, &id, &answer.outcome);
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

fn settle(state: &mut State, id: &str, outcome: &str) -> Result<Value, ApiError> {
    let complete = outcome == "complete";
    if id.starts_with("seti_") {
        return stripe::settle_setup_challenge(state, id, complete);
    }
    if state.get(id).and_then(|intent| wallet_of(state, intent)).is_none() {
        return stripe::settle_challenge(state, id, complete);
    }
    stripe::answer_wallet(
        state,
        id,
        match outcome {
            "complete" => WalletAnswer::Approve,
            "later" => WalletAnswer::Later,
            _ => WalletAnswer::Decline,
        },
    )
}

/// The wallet that this payment waits for.
fn wallet_of(state: &State, intent: &Value) -> Option<String> {
    let method = state.get(intent["payment_method"].as_str()?)?;
    method["type"].as_str().filter(|kind| *kind != "card").map(str::to_owned)
}

/// Where the payer came from, or goes to when all is done.
fn next(state: &State, intent: &Value) -> String {
    let succeeded = intent["status"] == "succeeded" || intent["status"] == "processing";
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
