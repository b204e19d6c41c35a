//! Disputes: the payer's bank takes a charge back, until the seller wins. Evidence decides as in Stripe's test mode.

use serde_json::{Value, json};

use super::{
    ApiError, Call, expand, list,
    store::{State, new_id, nulls, over},
};

/// Parameters of update.
pub const WORDS: &str = "evidence{access_activity_log billing_address cancellation_policy cancellation_policy_disclosure \
    cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip customer_signature \
    duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id enhanced_evidence product_description receipt \
    refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address \
    shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text} \
    metadata submit expand";

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The money comes back.
    Won,
    /// It stays away.
    Lost,
}

const FEE: i64 = 1500;

/// The bank takes a charge back.
pub fn open(state: &mut State, charge: &str, reason: &str) -> Result<Value, ApiError> {
    let mut charge = state.find("charge", charge)?;
    if charge["paid"] != true || charge["disputed"] == true {
        return Err(ApiError::invalid("Only a charge that was paid and is not disputed can be disputed."));
    }
    charge["disputed"] = json!(true);
    let amount = charge["amount"].as_i64().unwrap_or(0) - charge["amount_refunded"].as_i64().unwrap_or(0);
    let id = new_id("du");
    let details = match charge["payment_method_details"]["card"]["brand"].as_str() {
        Some(brand) => {
            json!({"type": "card", "card": {"brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "83"}})
        }
        None => Value::Null,
    };
    let withdrawn = transaction(state, &id, -amount, &charge["currency"]);
    let dispute = json!({
        "id": id, "object": "dispute", "amount": amount, "balance_transactions": [withdrawn], "charge": charge["id"],
        "created": state.now(), "currency": charge["currency"], "enhanced_eligibility_types": [], "evidence": blank_evidence(),
        "evidence_details": {"due_by": state.now() + 7 * 86400, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false,
            "submission_count": 0},
        "is_charge_refundable": false, "livemode": false, "metadata": {}, "network_reason_code": "83",
        "payment_intent": charge["payment_intent"], "payment_method_details": details, "reason": reason, "status": "needs_response",
    });
    state.put(charge);
    state.put(dispute.clone());
    state.emit("charge.dispute.created", &dispute);
    state.emit("charge.dispute.funds_withdrawn", &dispute);
    Ok(dispute)
}

fn blank_evidence() -> Value {
    let (_, inside) = WORDS.split_once('{').unwrap_or_default();
    let (names, _) = inside.split_once('}').unwrap_or_default();
    over(nulls(names), json!({"enhanced_evidence": {}}))
}

fn transaction(state: &State, dispute: &str, amount: i64, currency: &Value) -> Value {
    let fee = if amount < 0 { FEE } else { 0 };
    let fees = json!([{"amount": fee, "application": null, "currency": currency, "description": "Dispute fee", "type": "stripe_fee"}]);
    json!({
        "id": new_id("txn"), "object": "balance_transaction", "amount": amount, "available_on": state.now(), "balance_type": "payments",
        "created": state.now(), "currency": currency, "description": "Chargeback", "exchange_rate": null, "fee": fee,
        "fee_details": if fee > 0 { fees } else { json!([]) }, "net": amount - fee, "reporting_category": if amount < 0 { "dispute" } else { "dispute_reversal" },
        "source": dispute, "status": "available", "type": "adjustment",
    })
}

/// `GET /v1/disputes/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("dispute", call.id())
}

/// `GET /v1/disputes`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |dispute: &Value| list::equal(params, &["charge", "payment_intent"], dispute) && list::created(params, dispute);
    list::page(state, call, "dispute", keep)
}

/// `POST /v1/disputes/{id}`: evidence that says `winning_evidence` or `losing_evidence` ends it at once, as Stripe's test mode does.
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = unsettled(state, call.id())?;
    let mut dispute = before.clone();
    for (name, value) in call.params.at("evidence").raw().as_object().into_iter().flatten() {
        dispute["evidence"][name] = value.clone();
        dispute["evidence_details"]["has_evidence"] = json!(true);
    }
    dispute["metadata"] = call.params.metadata_over(&dispute["metadata"]);
    let submits = call.params.bool("submit")?.unwrap_or(true) && call.params.has("evidence");
    if submits {
        dispute["status"] = json!("under_review");
        dispute["evidence_details"]["submission_count"] = json!(1);
    }
    state.put(dispute.clone());
    state.emit_updated("charge.dispute.updated", &before, &dispute);
    match dispute["evidence"]["uncategorized_text"].as_str() {
        Some("winning_evidence") if submits => settle(state, call.id(), End::Won)?,
        Some("losing_evidence") if submits => settle(state, call.id(), End::Lost)?,
        _ => Value::Null,
    };
    Ok(dispute)
}

/// `POST /v1/disputes/{id}/close`: the seller gives up.
pub fn close(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    settle(state, call.id(), End::Lost)
}

/// The bank has decided.
pub fn settle(state: &mut State, id: &str, end: End) -> Result<Value, ApiError> {
    let mut dispute = unsettled(state, id)?;
    let won = end == End::Won;
    dispute["status"] = json!(if won { "won" } else { "lost" });
    if won {
        let back = transaction(state, id, dispute["amount"].as_i64().unwrap_or(0), &dispute["currency"]);
        if let Some(all) = dispute["balance_transactions"].as_array_mut() {
            all.push(back);
        }
    }
    state.put(dispute.clone());
    if won {
        state.emit("charge.dispute.funds_reinstated", &dispute);
    }
    state.emit("charge.dispute.closed", &dispute);
    Ok(dispute)
}

/// The money of this charge is away, or may yet go: it cannot be refunded.
pub fn holds(state: &State, charge: &Value) -> bool {
    state.naming("dispute", charge["id"].as_str().unwrap_or_default()).any(|dispute| dispute["status"] != "won")
}

fn unsettled(state: &State, id: &str) -> Result<Value, ApiError> {
    let dispute = state.find("dispute", id)?;
    if dispute["status"] == "won" || dispute["status"] == "lost" {
        let error = ApiError::invalid("This dispute is already closed").code("dispute_already_closed");
        return Err(error.with("dispute", expand::public(state, &dispute)));
    }
    Ok(dispute)
}
