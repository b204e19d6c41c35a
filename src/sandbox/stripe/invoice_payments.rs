//! Invoice payments: which payment intent pays which invoice. Since API basil the two name each other only here.

use serde_json::{Value, json};

use super::{
    ApiError, Call, list,
    payment_intents::{self, New},
    store::{State, new_id},
};

/// Makes the default payment of a finalized invoice, with its intent.
pub fn open(state: &mut State, invoice: &Value) {
    let number = invoice["number"].as_str().unwrap_or_default();
    let new = New {
        amount: invoice["amount_due"].as_i64().unwrap_or(0),
        currency: invoice["currency"].as_str().unwrap_or_default(),
        customer: invoice["customer"].clone(),
        description: json!(format!("Payment for Invoice {number}")),
        metadata: json!({}),
        setup_future_usage: Value::Null,
        belongs: invoice["id"].as_str().map(|id| ("_invoice", id)),
    };
    let amount = new.amount;
    let intent = payment_intents::open(state, new);
    state.put(json!({
        "id": new_id("inpay"), "object": "invoice_payment", "amount_paid": null, "amount_requested": amount, "created": state.now(),
        "currency": invoice["currency"], "invoice": invoice["id"], "is_default": true, "livemode": false,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]}, "status": "open",
        "status_transitions": {"canceled_at": null, "paid_at": null},
    }));
}

/// The intent that collects this invoice.
pub fn intent_of(state: &State, invoice: &str) -> Option<String> {
    let payment = default_of(state, invoice)?;
    payment["payment"]["payment_intent"].as_str().map(str::to_owned)
}

fn default_of(state: &State, invoice: &str) -> Option<Value> {
    state.naming("invoice_payment", invoice).find(|payment| payment["status"] == "open").cloned()
}

/// The charge that paid an invoice.
pub fn charge_of(state: &State, invoice: &str) -> Option<Value> {
    let payment = state.naming("invoice_payment", invoice).find(|payment| payment["status"] == "paid")?;
    let intent = state.get(payment["payment"]["payment_intent"].as_str()?)?;
    state.get(intent["latest_charge"].as_str()?).cloned()
}

/// An open invoice asks for another amount now.
pub fn ask_for(state: &mut State, invoice: &str, amount: i64) {
    let Some(mut payment) = default_of(state, invoice) else { return };
    let intent = payment["payment"]["payment_intent"].as_str().and_then(|id| state.get(id)).cloned();
    payment["amount_requested"] = json!(amount);
    state.put(payment);
    if let Some(mut intent) = intent {
        intent["amount"] = json!(amount);
        state.put(intent);
    }
}

/// The default payment of an invoice is paid.
pub fn paid(state: &mut State, invoice: &str) {
    let Some(mut payment) = default_of(state, invoice) else { return };
    payment["status"] = json!("paid");
    payment["amount_paid"] = payment["amount_requested"].clone();
    payment["status_transitions"]["paid_at"] = json!(state.now());
    state.put(payment.clone());
    state.emit("invoice_payment.paid", &payment);
}

/// The invoice will not be collected through it any more.
pub fn cancel(state: &mut State, invoice: &str) {
    let Some(mut payment) = default_of(state, invoice) else { return };
    payment["status"] = json!("canceled");
    payment["status_transitions"]["canceled_at"] = json!(state.now());
    let intent = payment["payment"]["payment_intent"].as_str().and_then(|id| state.get(id)).cloned();
    state.put(payment);
    if let Some(intent) = intent {
        payment_intents::canceled(state, intent, json!("void_invoice"));
    }
}

/// `GET /v1/invoice_payments/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("invoice_payment", call.id())
}

/// `GET /v1/invoice_payments`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let intent = params.at("payment");
    list::page(state, call, "invoice_payment", |payment| {
        list::equal(params, &["invoice", "status"], payment)
            && intent.str("payment_intent").is_none_or(|id| payment["payment"]["payment_intent"] == id)
            && list::created(params, payment)
    })
}
