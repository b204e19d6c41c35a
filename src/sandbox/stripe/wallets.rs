//! Alipay and WeChat Pay, as Checkout offers them: in some currencies, never saved, approved by the payer elsewhere.

use serde_json::{Value, json};

use super::{
    ApiError, checkout, checkout_pay, payment_methods,
    payments::{self, Attempt},
    store::{State, new_id},
};

/// Where Alipay may be shown.
const ALIPAY: &[&str] = &["aud", "cad", "cny", "eur", "gbp", "hkd", "jpy", "myr", "nzd", "sgd", "usd"];
/// Where WeChat Pay may be shown.
const WECHAT: &[&str] = &["aud", "cad", "chf", "cny", "dkk", "eur", "gbp", "hkd", "jpy", "nok", "sek", "sgd", "usd"];

/// How the payer answered on the wallet's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Paid.
    Approve,
    /// No.
    Decline,
    /// Paid, and the wallet tells later whether the money came.
    Later,
}

/// What a session offers: the card, and the wallets that its currency and its words allow.
pub fn offered(session: &Value, params: &super::params::Params) -> Value {
    let words = |name: &str| params.raw()[name].as_array().cloned();
    let (allowed, excluded) = (words("allowed_payment_method_types"), words("excluded_payment_method_types").unwrap_or_default());
    let saves = session["_intent"]["setup_future_usage"].is_string();
    let currency = session["currency"].as_str().unwrap_or_default();
    let options = params.at("payment_method_options");
    let fits = |kind: &str| match kind {
        "alipay" => session["mode"] == "payment" && !saves && ALIPAY.contains(&currency),
        "wechat_pay" => {
            session["mode"] == "payment" && !saves && WECHAT.contains(&currency) && options.at("wechat_pay").str("client") == Some("web")
        }
        _ => true,
    };
    let wanted =
        |kind: &str| allowed.as_ref().is_none_or(|all| all.iter().any(|word| word == kind)) && !excluded.iter().any(|word| word == kind);
    ["card", "alipay", "wechat_pay"].into_iter().filter(|kind| fits(kind) && wanted(kind)).collect()
}

/// The payer chose a wallet on the page of a session: the intent waits for them, under this id.
pub fn choose(state: &mut State, session: &str, kind: &str) -> Result<String, ApiError> {
    state.by_hand();
    let mut session = checkout::current(state, session)?;
    let offers = session["payment_method_types"].as_array().is_some_and(|all| all.iter().any(|offered| offered == kind));
    if session["status"] != "open" || !offers || kind == "card" {
        return Err(ApiError::invalid(
            "This page has been used or has expired, or does not offer that. Go back to the shop and start again.",
        ));
    }
    let method = create(state, kind, &session["customer_details"]);
    let id = checkout_pay::intent_of(state, &mut session);
    let mut intent = state.find("payment_intent", &id)?;
    let step = if kind == "alipay" { "alipay_handle_redirect" } else { "wechat_pay_display_qr_code" };
    let page = format!("{}/3ds/{id}", state.base_url);
    intent["payment_method"] = method["id"].clone();
    intent["status"] = json!("requires_action");
    intent["next_action"] = match kind {
        "alipay" => {
            json!({"type": step, step: {"native_data": null, "native_url": null, "return_url": session["success_url"], "url": page}})
        }
        _ => {
            json!({"type": step, step: {"data": page, "hosted_instructions_url": page, "image_data_url": "data:,", "image_url_png": page, "image_url_svg": page}})
        }
    };
    state.put(intent.clone());
    state.emit("payment_intent.requires_action", &intent);
    Ok(id)
}

fn create(state: &mut State, kind: &str, details: &Value) -> Value {
    let mut method = json!({
        "id": new_id("pm"), "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": payment_methods::billing_details(&details["email"], &details["name"]), "created": state.now(),
        "customer": null, "customer_account": null, "livemode": false, "metadata": {}, "type": kind,
    });
    method[kind] = json!({});
    state.put(method.clone());
    method
}

/// The payer answered on the wallet's page.
pub fn answer(state: &mut State, id: &str, answer: Answer) -> Result<Value, ApiError> {
    let mut intent = state.find("payment_intent", id)?;
    if intent["status"] != "requires_action" {
        return Err(ApiError::invalid("This payment waits for no answer.").code("payment_intent_unexpected_state"));
    }
    match answer {
        Answer::Approve => finish(state, id, true),
        Answer::Decline => finish(state, id, false),
        Answer::Later => {
            intent["status"] = json!("processing");
            intent["next_action"] = Value::Null;
            state.put(intent.clone());
            state.emit("payment_intent.processing", &intent);
            if let Some(session) = intent["_session"].as_str() {
                checkout_pay::complete(state, session)?;
            }
            Ok(intent)
        }
    }
}

/// The wallet said whether the money came: at once, or later about a `processing` intent.
pub fn finish(state: &mut State, id: &str, came: bool) -> Result<Value, ApiError> {
    let mut intent = state.find("payment_intent", id)?;
    let processing = intent["status"] == "processing";
    if !processing && intent["status"] != "requires_action" {
        return Err(ApiError::invalid("This payment waits for nothing.").code("payment_intent_unexpected_state"));
    }
    if came {
        let method = state.find("payment_method", intent["payment_method"].as_str().unwrap_or_default())?;
        return payments::confirm(state, id, &method, Attempt { off_session: false, authenticated: true });
    }
    let error = ApiError::invalid("The payment was not approved.").code("payment_intent_payment_attempt_failed");
    intent["status"] = json!("requires_payment_method");
    intent["payment_method"] = Value::Null;
    intent["next_action"] = Value::Null;
    intent["last_payment_error"] = error.body["error"].clone();
    state.put(intent.clone());
    state.emit("payment_intent.payment_failed", &intent);
    if let (true, Some(session)) = (processing, intent["_session"].as_str()) {
        let session = state.find("checkout.session", session)?;
        state.emit("checkout.session.async_payment_failed", &session);
    }
    Ok(intent)
}
