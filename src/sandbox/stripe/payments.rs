//! The charging itself: a payment intent, a payment method, and what the test card says to it.

use serde_json::{Value, json};

use super::{
    ApiError, Call, checkout_pay, disputes, invoice_pay, list, payment_methods,
    store::{State, new_id, nulls, over},
};
use crate::sandbox::cards::{Challenge, Decline, TestCard};

/// How a charge is tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempt {
    /// The payer is not there: 3-D Secure cannot be answered.
    pub off_session: bool,
    /// The payer just answered 3-D Secure.
    pub authenticated: bool,
}

const NOT_THERE: Decline = Decline {
    code: "authentication_required",
    decline_code: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
};

/// Tries to charge. `Ok` is `succeeded` or `requires_action`; a decline is Stripe's 402, and the intent keeps it.
pub fn confirm(state: &mut State, id: &str, method: &Value, attempt: Attempt) -> Result<Value, ApiError> {
    let mut intent = state.find("payment_intent", id)?;
    let card = payment_methods::test_card(method);
    intent["payment_method"] = method["id"].clone();
    if challenged(card, method, attempt) {
        if attempt.off_session {
            return Err(decline(state, intent, method, &NOT_THERE));
        }
        intent["status"] = json!("requires_action");
        intent["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url": {"url": null, "return_url": intent["_return_url"]}});
        state.put(intent.clone());
        state.emit("payment_intent.requires_action", &intent);
        return Ok(intent);
    }
    match card.on_charge {
        Some(why) => Err(decline(state, intent, method, &why)),
        None => succeed(state, intent, method, attempt),
    }
}

fn challenged(card: &TestCard, method: &Value, attempt: Attempt) -> bool {
    let asks = match card.challenge {
        Challenge::None => false,
        Challenge::Setup => method["_authenticated"] != true,
        Challenge::Always => true,
    };
    asks && !attempt.authenticated
}

fn succeed(state: &mut State, mut intent: Value, method: &Value, attempt: Attempt) -> Result<Value, ApiError> {
    let charge = charge(state, &intent, method, None);
    intent["status"] = json!("succeeded");
    intent["amount_received"] = intent["amount"].clone();
    intent["latest_charge"] = charge["id"].clone();
    intent["next_action"] = Value::Null;
    intent["last_payment_error"] = Value::Null;
    state.put(intent.clone());
    if attempt.authenticated {
        let mut known = method.clone();
        known["_authenticated"] = json!(true);
        state.put(known);
    }
    state.emit("charge.succeeded", &charge);
    state.emit("payment_intent.succeeded", &intent);
    let saves = method["type"] == "card" && !intent["setup_future_usage"].is_null();
    if let (Some(customer), Some(method), true) = (intent["customer"].as_str(), method["id"].as_str(), saves) {
        payment_methods::attach_to(state, method, customer)?;
    }
    if let Some(invoice) = intent["_invoice"].as_str() {
        invoice_pay::collected(state, invoice)?;
    }
    if let Some(session) = intent["_session"].as_str() {
        checkout_pay::complete(state, session)?;
    }
    if payment_methods::test_card(method).disputes {
        disputes::open(state, charge["id"].as_str().unwrap_or_default(), "fraudulent")?;
    }
    Ok(intent)
}

fn decline(state: &mut State, mut intent: Value, method: &Value, why: &Decline) -> ApiError {
    let charge = charge(state, &intent, method, Some(why));
    let advice = if why.decline_code == "lost_card" || why.decline_code == "stolen_card" { "do_not_try_again" } else { "try_again_later" };
    let public = super::expand::public(state, method);
    let error = ApiError::card(why).with("charge", charge["id"].clone()).with("advice_code", json!(advice));
    let error = error.with("payment_method", public);
    intent["status"] = json!("requires_payment_method");
    intent["payment_method"] = Value::Null;
    intent["next_action"] = Value::Null;
    intent["latest_charge"] = charge["id"].clone();
    intent["last_payment_error"] = error.body["error"].clone();
    state.put(intent.clone());
    state.emit("charge.failed", &charge);
    state.emit("payment_intent.payment_failed", &intent);
    let public = super::expand::public(state, &intent);
    error.with("payment_intent", public)
}

fn charge(state: &mut State, intent: &Value, method: &Value, failed: Option<&Decline>) -> Value {
    const EMPTY: &str = "application application_fee application_fee_amount failure_balance_transaction on_behalf_of receipt_email \
        receipt_number receipt_url review shipping source source_transfer statement_descriptor statement_descriptor_suffix \
        transfer_data transfer_group";
    let paid = failed.is_none();
    let amount = &intent["amount"];
    let set = json!({
        "id": new_id("ch"), "object": "charge", "amount": amount, "amount_captured": if paid { amount.clone() } else { json!(0) },
        "amount_refunded": 0, "balance_transaction": paid.then(|| new_id("txn")), "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "LENSMETER SANDBOX", "captured": paid, "created": state.now(), "currency": intent["currency"],
        "customer": intent["customer"], "description": intent["description"], "disputed": false,
        "failure_code": failed.map(|why| why.code), "failure_message": failed.map(|why| why.message), "fraud_details": {},
        "livemode": false, "metadata": intent["metadata"], "outcome": outcome(failed), "paid": paid, "payment_intent": intent["id"],
        "payment_method": method["id"], "payment_method_details": method_details(method, amount),
        "refunded": false, "status": if paid { "succeeded" } else { "failed" },
    });
    let charge = over(nulls(EMPTY), set);
    state.put(charge.clone());
    charge
}

fn outcome(failed: Option<&Decline>) -> Value {
    let paid = failed.is_none();
    json!({
        "advice_code": null, "network_advice_code": null, "network_decline_code": null,
        "network_status": if paid { "approved_by_network" } else { "declined_by_network" },
        "reason": failed.map(|why| why.decline_code), "risk_level": "normal", "risk_score": 1,
        "seller_message": if paid { "Payment complete." } else { "The bank did not return any further details with this decline." },
        "type": if paid { "authorized" } else { "issuer_declined" },
    })
}

fn method_details(method: &Value, amount: &Value) -> Value {
    match method["type"].as_str().unwrap_or_default() {
        "card" => json!({"type": "card", "card": card_details(&method["card"], amount)}),
        "alipay" => json!({"type": "alipay", "alipay": {"buyer_id": null, "fingerprint": null, "transaction_id": null}}),
        wallet => json!({"type": wallet, wallet: {"fingerprint": null, "location": null, "reader": null, "transaction_id": null}}),
    }
}

fn card_details(card: &Value, amount: &Value) -> Value {
    const EMPTY: &str = "authorization_code installments mandate network_token network_transaction_id three_d_secure wallet";
    let set = json!({
        "amount_authorized": amount, "brand": card["brand"], "checks": card["checks"], "country": card["country"],
        "exp_month": card["exp_month"], "exp_year": card["exp_year"], "fingerprint": card["fingerprint"],
        "funding": card["funding"], "last4": card["last4"], "network": card["brand"], "regulated_status": "unregulated",
    });
    over(nulls(EMPTY), set)
}

/// The payer answered the 3-D Secure page of a payment.
pub fn settle_challenge(state: &mut State, id: &str, complete: bool) -> Result<Value, ApiError> {
    let mut intent = state.find("payment_intent", id)?;
    if intent["status"] != "requires_action" {
        return Err(ApiError::invalid("This payment waits for no authentication.").code("payment_intent_unexpected_state"));
    }
    let method = state.find("payment_method", intent["payment_method"].as_str().unwrap_or_default())?;
    if complete {
        return confirm(state, id, &method, Attempt { off_session: false, authenticated: true });
    }
    let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
    let error = ApiError::invalid(message).code("payment_intent_authentication_failure");
    intent["status"] = json!("requires_payment_method");
    intent["payment_method"] = Value::Null;
    intent["next_action"] = Value::Null;
    intent["last_payment_error"] = error.body["error"].clone();
    state.put(intent.clone());
    state.emit("payment_intent.payment_failed", &intent);
    if let Some(invoice) = intent["_invoice"].as_str() {
        invoice_pay::failed(state, invoice)?;
    }
    Err(error)
}

/// `GET /v1/charges/{id}`
pub fn get_charge(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("charge", call.id())
}

/// `GET /v1/charges`
pub fn list_charges(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |charge: &Value| list::equal(params, &["customer", "payment_intent"], charge) && list::created(params, charge);
    list::page(state, call, "charge", keep)
}
