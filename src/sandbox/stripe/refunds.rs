//! Refunds: whole or in part; one may fail after it was told to have succeeded.

use serde_json::{Value, json};

use super::{
    ApiError, Call, disputes, list, payment_methods,
    store::{State, new_id},
};
use crate::sandbox::cards::Later;

/// `POST /v1/refunds`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let reason = params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let charge = charge_of(state, call)?;
    make(state, charge, params.int("amount")?, params.metadata_over(&Value::Null), json!(reason))
}

/// Refunds `amount` of a charge, or what is left of it. What the answer tells may be over by the time anyone reads it.
pub fn make(state: &mut State, mut charge: Value, amount: Option<i64>, metadata: Value, reason: Value) -> Result<Value, ApiError> {
    let (all, before) = (charge["amount"].as_i64().unwrap_or(0), charge["amount_refunded"].as_i64().unwrap_or(0));
    if disputes::holds(state, &charge) {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", charge["id"].as_str().unwrap_or_default());
        return Err(ApiError::invalid(message).code("charge_disputed"));
    }
    if before >= all {
        return Err(ApiError::invalid("Charge has already been refunded.").code("charge_already_refunded"));
    }
    let wanted = amount.unwrap_or(all - before);
    if wanted < 1 || wanted > all - before {
        let message = format!("Refund amount ({wanted}) is greater than unrefunded amount on charge ({}), or not positive.", all - before);
        return Err(ApiError::invalid(message).param("amount"));
    }
    charge["amount_refunded"] = json!(before + wanted);
    charge["refunded"] = json!(before + wanted == all);
    let method = charge["payment_method"].as_str().and_then(|id| state.get(id)).unwrap_or(&Value::Null);
    let later = payment_methods::test_card(method).refund;
    let refund = blank(state, &charge, wanted, (metadata, reason), later);
    state.put(charge.clone());
    state.put(refund.clone());
    state.emit("refund.created", &refund);
    state.emit("charge.refunded", &charge);
    let id = refund["id"].as_str().unwrap_or_default();
    match later {
        Later::Nothing => {}
        Later::Succeeds => succeed(state, id)?,
        Later::Fails => fail(state, id).map(|_| ())?,
    }
    Ok(refund)
}

fn blank(state: &State, charge: &Value, amount: i64, (metadata, reason): (Value, Value), later: Later) -> Value {
    let kind = &charge["payment_method_details"]["type"];
    let mut details = json!({"type": kind});
    details[kind.as_str().unwrap_or("card")] = match kind.as_str() {
        Some("card") => {
            json!({"reference": null, "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"})
        }
        _ => json!({}),
    };
    json!({
        "id": new_id("re"), "object": "refund", "amount": amount, "balance_transaction": new_id("txn"), "charge": charge["id"],
        "created": state.now(), "currency": charge["currency"], "customer": charge["customer"], "destination_details": details,
        "metadata": metadata, "payment_intent": charge["payment_intent"], "reason": reason, "receipt_number": null,
        "source_transfer_reversal": null, "status": if later == Later::Succeeds { "pending" } else { "succeeded" }, "transfer_reversal": null,
    })
}

fn succeed(state: &mut State, id: &str) -> Result<(), ApiError> {
    let before = state.find("refund", id)?;
    let mut refund = before.clone();
    refund["status"] = json!("succeeded");
    state.put(refund.clone());
    state.emit_updated("refund.updated", &before, &refund);
    Ok(())
}

/// The payer's bank sent the money back, days later.
pub fn fail(state: &mut State, id: &str) -> Result<Value, ApiError> {
    undo(state, id, "failed", json!("unknown"))
}

fn undo(state: &mut State, id: &str, status: &str, why: Value) -> Result<Value, ApiError> {
    let before = state.find("refund", id)?;
    if before["status"] == "failed" || before["status"] == "canceled" {
        return Err(ApiError::invalid("This refund has not succeeded."));
    }
    let mut refund = before.clone();
    refund["status"] = json!(status);
    refund["failure_reason"] = why;
    refund["failure_balance_transaction"] = json!(new_id("txn"));
    let mut charge = state.find("charge", refund["charge"].as_str().unwrap_or_default())?;
    let left = charge["amount_refunded"].as_i64().unwrap_or(0) - refund["amount"].as_i64().unwrap_or(0);
    charge["amount_refunded"] = json!(left);
    charge["refunded"] = json!(false);
    state.put(charge);
    state.put(refund.clone());
    state.emit_updated("refund.updated", &before, &refund);
    if status == "failed" {
        state.emit("refund.failed", &refund);
    }
    Ok(refund)
}

fn charge_of(state: &State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    if let Some(id) = params.str("charge") {
        return state.find("charge", id).map_err(|error| error.param("charge"));
    }
    let Some(id) = params.str("payment_intent") else {
        return Err(ApiError::invalid("One of the following params should be provided for this request: payment_intent or charge."));
    };
    let intent = state.find("payment_intent", id).map_err(|error| error.param("payment_intent"))?;
    if intent["status"] != "succeeded" {
        return Err(ApiError::invalid(format!("This PaymentIntent ({id}) does not have a successful charge to refund.")));
    }
    state.find("charge", intent["latest_charge"].as_str().unwrap_or_default())
}

/// `GET /v1/refunds/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("refund", call.id())
}

/// `GET /v1/refunds`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |refund: &Value| list::equal(params, &["charge", "payment_intent"], refund) && list::created(params, refund);
    list::page(state, call, "refund", keep)
}

/// `POST /v1/refunds/{id}`: its metadata.
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = state.find("refund", call.id())?;
    let mut refund = before.clone();
    refund["metadata"] = call.params.metadata_over(&refund["metadata"]);
    state.put(refund.clone());
    state.emit_updated("refund.updated", &before, &refund);
    Ok(refund)
}

/// `POST /v1/refunds/{id}/cancel`: only while it is pending.
pub fn cancel(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    if state.find("refund", call.id())?["status"] != "pending" {
        return Err(ApiError::invalid("Only refunds that are pending or wait for an action can be canceled."));
    }
    undo(state, call.id(), "canceled", json!("merchant_request"))
}
