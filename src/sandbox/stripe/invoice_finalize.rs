//! Finalizing an invoice: from here on it is a document, and something is due.

use serde_json::{Value, json};

use super::{ApiError, Call, customers, invoice_pay, invoice_payments, invoices, payment_intents, store::State};

/// `POST /v1/invoices/{id}/finalize`
pub fn finalize(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut invoice = invoices::draft(state, call.id(), "This invoice is already finalized, you can't re-finalize a non-draft invoice.")?;
    if let Some(advance) = call.params.bool("auto_advance")? {
        invoice["auto_advance"] = json!(advance);
    }
    finalized(state, invoice)
}

/// Draft → open: number, balance applied, payment intent; open → paid at once when nothing is left to collect.
pub fn finalized(state: &mut State, mut invoice: Value) -> Result<Value, ApiError> {
    let id = invoice["id"].as_str().unwrap_or_default().to_owned();
    let before = customers::alive(state, invoice["customer"].as_str().unwrap_or_default())?;
    let mut customer = before.clone();
    locate(state, &mut invoice, &customer)?;
    let sequence = customer["next_invoice_sequence"].as_i64().unwrap_or(1);
    let prefix = customer["invoice_prefix"].as_str().unwrap_or_default();
    let number = invoice["_number"].as_str().map_or_else(|| format!("{prefix}-{sequence:04}"), str::to_owned);
    let total = invoice["total"].as_i64().unwrap_or(0);
    let starting = customer["balance"].as_i64().unwrap_or(0);
    let owed = total.saturating_add(starting);
    // Below Stripe's minimum charge nothing is collected: it waits on the customer's balance for the next invoice.
    let too_small = owed < payment_intents::minimum(invoice["currency"].as_str().unwrap_or_default());
    let (due, ending) = if too_small { (0, owed) } else { (owed, 0) };
    customer["next_invoice_sequence"] = json!(sequence + 1);
    customer["balance"] = json!(ending);
    if customer["currency"].is_null() {
        customer["currency"] = invoice["currency"].clone();
    }
    customers::change(state, &before, customer)?;
    invoice["number"] = json!(number);
    invoice["starting_balance"] = json!(starting);
    invoice["ending_balance"] = json!(ending);
    invoice["amount_due"] = json!(due);
    invoice["amount_remaining"] = json!(due);
    invoice["status"] = json!("open");
    invoice["effective_at"] = json!(state.now());
    invoice["status_transitions"]["finalized_at"] = json!(state.now());
    state.put(invoice.clone());
    state.emit("invoice.finalized", &invoice);
    if due == 0 {
        return invoice_pay::paid(state, &id, 0);
    }
    invoice_payments::open(state, &invoice);
    Ok(invoice)
}

/// Stripe's tax needs to know where the customer is.
fn locate(state: &mut State, invoice: &mut Value, customer: &Value) -> Result<(), ApiError> {
    if invoice["automatic_tax"]["enabled"] != true || customer["address"]["country"].is_string() {
        return Ok(());
    }
    let message = "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.";
    let error = ApiError::invalid(message).code("customer_tax_location_invalid");
    invoice["last_finalization_error"] = error.body["error"].clone();
    state.put(invoice.clone());
    state.emit("invoice.finalization_failed", invoice);
    Err(error)
}
