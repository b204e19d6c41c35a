//! What the payer does on the hosted page of a Checkout Session.

use serde_json::{Value, json};

use super::{
    ApiError, checkout,
    payment_intents::{self, New},
    payment_methods::{self, NewCard},
    payments::{self, Attempt},
    setup_intents,
    store::State,
};

/// Where the payer goes next.
#[derive(Debug)]
pub enum Paid {
    /// Done: to the merchant's `success_url`.
    Done(String),
    /// The bank asks: the id of the intent that waits for 3-D Secure.
    Challenge(String),
}

/// Pays (or saves) with this card.
pub fn pay(state: &mut State, id: &str, card: &NewCard) -> Result<Paid, ApiError> {
    state.by_hand();
    let mut session = checkout::current(state, id)?;
    if session["status"] != "open" {
        return Err(ApiError::invalid("This page has been used or has expired. Go back to the shop and start again."));
    }
    let method = payment_methods::create_from_card(state, card);
    if session["customer_details"].is_null() {
        session["customer_details"] = json!({"address": null, "business_name": null, "email": card.email, "individual_name": null,
            "name": card.name, "phone": null, "tax_exempt": "none", "tax_ids": []});
        state.put(session.clone());
    }
    let intent = if session["mode"] == "setup" {
        let intent = session["setup_intent"].as_str().unwrap_or_default().to_owned();
        let intent = setup_intents::confirm(state, &intent, &method, false)?;
        if intent["status"] == "succeeded" {
            complete(state, id)?;
        }
        intent
    } else {
        let intent = intent_of(state, &mut session);
        payments::confirm(state, &intent, &method, Attempt::default())?
    };
    if intent["status"] == "requires_action" {
        return Ok(Paid::Challenge(intent["id"].as_str().unwrap_or_default().to_owned()));
    }
    resume(state, id).map(Paid::Done)
}

/// Where a completed session sends its payer.
pub fn resume(state: &State, id: &str) -> Result<String, ApiError> {
    let session = state.find("checkout.session", id)?;
    Ok(session["success_url"].as_str().unwrap_or("/").replace("{CHECKOUT_SESSION_ID}", id))
}

/// The payment intent of a session, made at its first try.
pub fn intent_of(state: &mut State, session: &mut Value) -> String {
    if let Some(id) = session["payment_intent"].as_str() {
        return id.to_owned();
    }
    let data = &session["_intent"];
    let usage = if data["setup_future_usage"].is_string() { &data["setup_future_usage"] } else { &session["_save_card"] };
    let new = New {
        amount: session["amount_total"].as_i64().unwrap_or(0),
        currency: session["currency"].as_str().unwrap_or_default(),
        customer: session["customer"].clone(),
        description: data["description"].clone(),
        metadata: if data["metadata"].is_object() { data["metadata"].clone() } else { json!({}) },
        setup_future_usage: usage.clone(),
        belongs: Some(("_session", session["id"].as_str().unwrap_or_default())),
    };
    let mut intent = payment_intents::open(state, new);
    intent["payment_method_types"] = session["payment_method_types"].clone();
    let id = intent["id"].as_str().unwrap_or_default().to_owned();
    state.put(intent);
    session["payment_intent"] = json!(id);
    state.put(session.clone());
    id
}

/// The intent succeeded, or a wallet has taken it and pays later: so is the session.
pub fn complete(state: &mut State, id: &str) -> Result<(), ApiError> {
    let mut session = state.find("checkout.session", id)?;
    let late = session["status"] == "complete";
    session["status"] = json!("complete");
    let intent = session["payment_intent"].as_str().and_then(|id| state.get(id)).unwrap_or(&Value::Null);
    if session["mode"] == "payment" && intent["status"] == "succeeded" {
        session["payment_status"] = json!("paid");
    }
    state.put(session.clone());
    state.emit(if late { "checkout.session.async_payment_succeeded" } else { "checkout.session.completed" }, &session);
    Ok(())
}
