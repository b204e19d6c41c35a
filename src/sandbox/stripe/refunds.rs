//! Refunds: at once, whole or in part.

use serde_json::{Value, json};

use super::{
    ApiError, Call, list,
    store::{State, new_id, now},
};

/// `POST /v1/refunds`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let reason = params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let mut charge = charge_of(state, call)?;
    let (amount, before) = (charge["amount"].as_i64().unwrap_or(0), charge["amount_refunded"].as_i64().unwrap_or(0));
    if before >= amount {
        return Err(ApiError::invalid("Charge has already been refunded.").code("charge_already_refunded"));
    }
    let wanted = params.int("amount")?.unwrap_or(amount - before);
    if wanted < 1 || wanted > amount - before {
        let message =
            format!("Refund amount ({wanted}) is greater than unrefunded amount on charge ({}), or not positive.", amount - before);
        return Err(ApiError::invalid(message).param("amount"));
    }
    charge["amount_refunded"] = json!(before + wanted);
    charge["refunded"] = json!(before + wanted == amount);
    let refund = json!({
        "id": new_id("re"), "object": "refund", "amount": wanted, "balance_transaction": new_id("txn"), "charge": charge["id"],
        "created": now(), "currency": charge["currency"], "customer": charge["customer"],
        "destination_details": {"card": {"reference": null, "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"},
        "metadata": params.metadata_over(&Value::Null), "payment_intent": charge["payment_intent"], "reason": reason,
        "receipt_number": null, "source_transfer_reversal": null, "status": "succeeded", "transfer_reversal": null,
    });
    state.put(charge.clone());
    state.put(refund.clone());
    state.emit("refund.created", &refund);
    state.emit("charge.refunded", &charge);
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
