//! Setup intents: a card is checked and saved for later, off-session charges.

use serde_json::{Value, json};

use super::{
    ApiError, Call, checkout_pay, payment_methods,
    store::{State, new_id, now},
};
use crate::sandbox::cards::Challenge;

/// `GET /v1/setup_intents/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("setup_intent", call.id())
}

/// A new intent; `session` is the Checkout Session that it belongs to, if any.
pub fn open(state: &mut State, customer: &Value, metadata: &Value, session: Option<&str>) -> Value {
    let id = new_id("seti");
    let intent = json!({
        "id": id, "object": "setup_intent", "application": null, "automatic_payment_methods": {"enabled": true, "allow_redirects": "always"},
        "cancellation_reason": null, "client_secret": format!("{id}_secret_sandbox"), "created": now(), "customer": customer,
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
