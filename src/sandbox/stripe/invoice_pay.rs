//! Collecting an invoice: with the saved card, by hand on its hosted page, or noted as paid elsewhere.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, invoice_finalize, invoice_payments,
    payment_methods::{self, NewCard},
    payments::{self, Attempt},
    store::State,
};

/// `POST /v1/invoices/{id}/pay`
pub fn pay(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let mut invoice = payable(state, call.id())?;
    if invoice["status"] == "draft" {
        invoice = invoice_finalize::finalized(state, invoice)?;
        if invoice["status"] == "paid" {
            return Ok(invoice);
        }
    }
    if params.bool("paid_out_of_band")? == Some(true) {
        invoice_payments::cancel(state, call.id());
        let due = invoice["amount_due"].clone();
        invoice["amount_paid_off_stripe"] = due.clone();
        state.put(invoice);
        return paid(state, call.id(), due.as_i64().unwrap_or(0));
    }
    let method = match params.str("payment_method") {
        Some(id) => payment_methods::resolve(state, id)?,
        None => default_method(state, &invoice)?,
    };
    let attempt = Attempt { off_session: false, authenticated: false };
    match charge(state, call.id(), &method, attempt) {
        Ok(intent) if intent["status"] == "requires_action" => {
            // Stripe's answer to a 3-D Secure card here: the invoice stays open, and the hosted page is where to authenticate.
            let invoice = state.find("invoice", call.id())?;
            state.emit("invoice.payment_action_required", &invoice);
            let message = "This payment requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with the invoice.";
            let error = ApiError::new(poem::http::StatusCode::PAYMENT_REQUIRED, "card_error", message);
            let public = super::expand::public(state, &intent);
            Err(error.code("invoice_payment_intent_requires_action").with("payment_intent", public))
        }
        Ok(_) => state.find("invoice", call.id()),
        Err(error) => Err(error),
    }
}

/// The payer pays on the hosted invoice page. `Some` is an intent that waits for 3-D Secure.
pub fn pay_by_hand(state: &mut State, id: &str, card: &NewCard) -> Result<Option<String>, ApiError> {
    state.by_hand();
    let invoice = payable(state, id)?;
    if invoice["status"] == "draft" {
        return Err(ApiError::missing("invoice", id));
    }
    let method = payment_methods::create_from_card(state, card);
    let intent = charge(state, id, &method, Attempt::default())?;
    let waits = intent["status"] == "requires_action";
    Ok(intent["id"].as_str().filter(|_| waits).map(str::to_owned))
}

/// One try with the invoice's own payment intent.
fn charge(state: &mut State, id: &str, method: &Value, attempt: Attempt) -> Result<Value, ApiError> {
    let Some(intent) = invoice_payments::intent_of(state, id) else {
        return Err(ApiError::invalid("This invoice has nothing to collect."));
    };
    payments::confirm(state, &intent, method, attempt).inspect_err(|_| {
        // The invoice was found above, and a failed payment does not remove it.
        let _ = failed(state, id);
    })
}

fn payable(state: &State, id: &str) -> Result<Value, ApiError> {
    let invoice = state.find("invoice", id)?;
    match invoice["status"].as_str() {
        Some("paid") => Err(ApiError::invalid("Invoice is already paid")),
        Some("void") => Err(ApiError::invalid("This invoice has been voided and can no longer be paid.")),
        _ => Ok(invoice),
    }
}

fn default_method(state: &State, invoice: &Value) -> Result<Value, ApiError> {
    let customer = customers::alive(state, invoice["customer"].as_str().unwrap_or_default())?;
    let own = &invoice["default_payment_method"];
    let id = if own.is_string() { own } else { &customer["invoice_settings"]["default_payment_method"] };
    let Some(id) = id.as_str() else {
        let message =
            "There is no `default_payment_method` set on this Customer or Invoice. Please set either in order to pay this invoice.";
        return Err(ApiError::invalid(message).code("missing"));
    };
    state.find("payment_method", id)
}

/// A try failed.
pub fn failed(state: &mut State, id: &str) -> Result<(), ApiError> {
    let mut invoice = state.find("invoice", id)?;
    tried(&mut invoice);
    state.put(invoice.clone());
    state.emit("invoice.payment_failed", &invoice);
    Ok(())
}

/// Its payment intent succeeded.
pub fn collected(state: &mut State, id: &str) -> Result<(), ApiError> {
    let mut invoice = state.find("invoice", id)?;
    tried(&mut invoice);
    let due = invoice["amount_due"].as_i64().unwrap_or(0);
    state.put(invoice);
    invoice_payments::paid(state, id);
    paid(state, id, due).map(|_| ())
}

fn tried(invoice: &mut Value) {
    invoice["attempted"] = json!(true);
    invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or(0) + 1);
}

/// Open → paid.
pub fn paid(state: &mut State, id: &str, amount: i64) -> Result<Value, ApiError> {
    let mut invoice = state.find("invoice", id)?;
    invoice["status"] = json!("paid");
    invoice["attempted"] = json!(true);
    invoice["amount_paid"] = json!(amount);
    invoice["amount_remaining"] = json!(0);
    invoice["auto_advance"] = json!(false);
    invoice["status_transitions"]["paid_at"] = json!(state.now());
    state.put(invoice.clone());
    state.emit("invoice.paid", &invoice);
    state.emit("invoice.payment_succeeded", &invoice);
    Ok(invoice)
}
