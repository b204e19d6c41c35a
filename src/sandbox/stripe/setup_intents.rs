//! Setup intents: a card is checked and saved for later, off-session charges.

use serde_json::{Value, json};

use super::{
    ApiError, Call, checkout_pay, customers, list, payment_methods,
    store::{State, new_id},
};
use crate::sandbox::cards::Challenge;

/// `GET /v1/setup_intents/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("setup_intent", call.id())
}

/// Parameters of create.
pub const WORDS: &str = "customer payment_method confirm usage description metadata return_url automatic_payment_methods{enabled allow_redirects} \
    allowed_payment_method_types excluded_payment_method_types use_stripe_sdk expand";

/// `POST /v1/setup_intents`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    if let Some(customer) = params.str("customer") {
        customers::alive(state, customer)?;
    }
    let mut intent = open(state, &params.text("customer"), &params.metadata_over(&Value::Null), None);
    let id = intent["id"].as_str().unwrap_or_default().to_owned();
    if let Some(method) = params.str("payment_method") {
        let method = payment_methods::resolve(state, method)?;
        intent["payment_method"] = method["id"].clone();
        intent["status"] = json!("requires_confirmation");
        state.put(intent);
        if params.bool("confirm")? == Some(true) {
            return confirm(state, &id, &method, false);
        }
    }
    state.find("setup_intent", &id)
}

/// `POST /v1/setup_intents/{id}/confirm`
pub fn confirm_call(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let intent = state.find("setup_intent", call.id())?;
    if intent["status"] == "succeeded" || intent["status"] == "canceled" {
        return Err(ApiError::invalid("You cannot confirm this SetupIntent: it is over.").code("setup_intent_unexpected_state"));
    }
    let method = call.params.str("payment_method").or(intent["payment_method"].as_str());
    let method = method.ok_or_else(|| call.params.absent("payment_method"))?.to_owned();
    let method = payment_methods::resolve(state, &method)?;
    confirm(state, call.id(), &method, false)
}

/// `POST /v1/setup_intents/{id}/cancel`
pub fn cancel(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut intent = state.find("setup_intent", call.id())?;
    if intent["status"] == "succeeded" || intent["status"] == "canceled" {
        return Err(ApiError::invalid("You cannot cancel this SetupIntent: it is over.").code("setup_intent_unexpected_state"));
    }
    intent["status"] = json!("canceled");
    intent["cancellation_reason"] = call.params.text("cancellation_reason");
    intent["next_action"] = Value::Null;
    state.put(intent.clone());
    state.emit("setup_intent.canceled", &intent);
    Ok(intent)
}

/// `GET /v1/setup_intents`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |intent: &Value| list::equal(params, &["customer", "payment_method"], intent) && list::created(params, intent);
    list::page(state, call, "setup_intent", keep)
}

/// A new intent; `session` is the Checkout Session that it belongs to, if any.
pub fn open(state: &mut State, customer: &Value, metadata: &Value, session: Option<&str>) -> Value {
    let id = new_id("seti");
    let intent = json!({
        "id": id, "object": "setup_intent", "application": null, "automatic_payment_methods": {"enabled": true, "allow_redirects": "always"},
        "cancellation_reason": null, "client_secret": format!("{id}_secret_sandbox"), "created": state.now(), "customer": customer,
        "customer_account": null, "description": null, "flow_directions": null, "last_setup_error": null, "latest_attempt": null,
        "livemode": false, "mandate": null, "metadata": metadata, "next_action": null, "on_behalf_of": null,
        "payment_method": null, "payment_method_options": null, "payment_method_types": ["card"],
        "single_use_mandate": null, "status": "requires_payment_method", "usage": "off_session", "_session": session,
    });
    state.put(intent.clone());
    state.emit("setup_intent.created", &intent);
    intent
}

/// Saves the card, or asks for 3-D Secure (status `requires_action`).
pub fn confirm(state: &mut State, id: &str, method: &Value, authenticated: bool) -> Result<Value, ApiError> {
    let mut intent = state.find("setup_intent", id)?;
    let card = payment_methods::test_card(method);
    intent["payment_method"] = method["id"].clone();
    if card.challenge != Challenge::None && !authenticated {
        intent["status"] = json!("requires_action");
        intent["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url": {"url": null, "return_url": null}});
        state.put(intent.clone());
        state.emit("setup_intent.requires_action", &intent);
        return Ok(intent);
    }
    if let Some(decline) = card.on_attach {
        return Err(fail(state, intent, ApiError::card(&decline)));
    }
    if authenticated {
        let mut known = method.clone();
        known["_authenticated"] = json!(true);
        state.put(known);
    }
    if let (Some(customer), Some(method)) = (intent["customer"].as_str(), method["id"].as_str()) {
        payment_methods::attach_to(state, method, customer)?;
        if intent["_portal"].is_string() {
            payment_methods::make_default(state, customer, method)?;
        }
    }
    intent["status"] = json!("succeeded");
    intent["next_action"] = Value::Null;
    intent["last_setup_error"] = Value::Null;
    state.put(intent.clone());
    state.emit("setup_intent.succeeded", &intent);
    Ok(intent)
}

fn fail(state: &mut State, mut intent: Value, error: ApiError) -> ApiError {
    intent["status"] = json!("requires_payment_method");
    intent["payment_method"] = Value::Null;
    intent["next_action"] = Value::Null;
    intent["last_setup_error"] = error.body["error"].clone();
    state.put(intent.clone());
    state.emit("setup_intent.setup_failed", &intent);
    error
}

/// The payer answered the 3-D Secure page.
pub fn settle_challenge(state: &mut State, id: &str, complete: bool) -> Result<Value, ApiError> {
    let intent = state.find("setup_intent", id)?;
    if intent["status"] != "requires_action" {
        return Err(ApiError::invalid("This set-up waits for no authentication.").code("setup_intent_unexpected_state"));
    }
    if !complete {
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        return Err(fail(state, intent, ApiError::invalid(message).code("setup_intent_authentication_failure")));
    }
    let method = state.find("payment_method", intent["payment_method"].as_str().unwrap_or_default())?;
    let done = confirm(state, id, &method, true)?;
    if let Some(session) = done["_session"].as_str() {
        checkout_pay::complete(state, session)?;
    }
    Ok(done)
}
