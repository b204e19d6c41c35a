//! Invoices: draft → open → paid, void or uncollectible.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, invoice_finalize, invoice_lines, invoice_payments, list,
    params::Params,
    store::{State, new_id, nulls, over},
    tax_ids,
};

/// Parameters of create and update.
pub const WORDS: &str = "customer currency collection_method auto_advance automatic_tax{enabled liability} automatically_finalizes_at \
    custom_fields{name value} days_until_due due_date default_payment_method description effective_at footer issuer metadata number \
    payment_settings pending_invoice_items_behavior rendering statement_descriptor shipping_details account_tax_ids \
    default_tax_rates discounts expand";

/// `POST /v1/invoices`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let customer = customers::alive(state, params.need("customer")?)?;
    let method = params.one_of("collection_method", &["charge_automatically", "send_invoice"])?.unwrap_or("charge_automatically");
    if method == "send_invoice" && !params.has("days_until_due") && !params.has("due_date") {
        let message = "You must specify days_until_due or due_date when collection_method is send_invoice.";
        return Err(ApiError::invalid(message).param("days_until_due"));
    }
    let currency = if params.has("currency") { params.currency("currency")? } else { "usd".to_owned() };
    let pending = params.one_of("pending_invoice_items_behavior", &["exclude", "include"])?;
    let mut invoice = blank(state.now(), &customer, method, &currency);
    invoice["customer_tax_ids"] = tax_ids::on_paper(state, &customer);
    apply(state, &mut invoice, params)?;
    if pending == Some("include") {
        let customer = customer["id"].as_str().unwrap_or_default();
        invoice_lines::take_pending(state, &mut invoice, customer);
    }
    invoice_lines::total(state, &mut invoice);
    state.put(invoice.clone());
    state.emit("invoice.created", &invoice);
    Ok(invoice)
}

fn blank(now: i64, customer: &Value, method: &str, currency: &str) -> Value {
    let own = json!({
        "id": new_id("in"), "object": "invoice", "collection_method": method, "created": now, "currency": currency,
        "customer": customer["id"], "customer_address": customer["address"], "customer_email": customer["email"],
        "customer_name": customer["name"], "test_clock": customer["test_clock"], "customer_phone": customer["phone"], "customer_tax_exempt": customer["tax_exempt"],
        "period_end": now, "period_start": now, "starting_balance": customer["balance"],
    });
    over(over(zeroes(), defaults()), own)
}

/// The amounts of a draft without lines.
fn zeroes() -> Value {
    json!({
        "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0, "amount_paid_off_stripe": 0, "amount_remaining": 0, "amount_shipping": 0,
        "attempt_count": 0, "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0, "subtotal": 0,
        "subtotal_excluding_tax": 0, "total": 0, "total_discount_amounts": [], "total_excluding_tax": 0, "total_pretax_credit_amounts": [],
        "total_taxes": [],
    })
}

/// The other members that every invoice starts with.
fn defaults() -> Value {
    const EMPTY: &str = "account_tax_ids application automatically_finalizes_at confirmation_secret custom_fields customer_account \
        customer_shipping default_payment_method default_source description due_date effective_at ending_balance footer from_invoice \
        hosted_invoice_url invoice_pdf last_finalization_error latest_revision next_payment_attempt number on_behalf_of parent \
        receipt_number rendering shipping_cost shipping_details statement_descriptor test_clock webhooks_delivered_at";
    let set = json!({
        "account_country": "US", "account_name": "Lensmeter sandbox", "attempted": false, "auto_advance": false,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null},
        "billing_reason": "manual", "customer_tax_ids": [], "default_tax_rates": [], "discounts": [], "issuer": {"type": "self"},
        "livemode": false, "metadata": {}, "status": "draft",
        "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
        "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null},
        "_lines": [],
    });
    over(nulls(EMPTY), set)
}

fn apply(state: &State, invoice: &mut Value, params: &Params) -> Result<(), ApiError> {
    for name in ["description", "footer", "statement_descriptor"] {
        if params.has(name) {
            invoice[name] = params.text(name);
        }
    }
    if let Some(advance) = params.bool("auto_advance")? {
        invoice["auto_advance"] = json!(advance);
    }
    for name in ["due_date", "effective_at", "automatically_finalizes_at"] {
        if let Some(value) = params.int(name)? {
            invoice[name] = json!(value);
        }
    }
    if let Some(days) = params.int("days_until_due")? {
        invoice["due_date"] = json!(state.now() + days * 86400);
    }
    if let Some(enabled) = params.at("automatic_tax").bool("enabled")? {
        invoice["automatic_tax"]["enabled"] = json!(enabled);
    }
    if let Some(method) = params.one_of("collection_method", &["charge_automatically", "send_invoice"])? {
        invoice["collection_method"] = json!(method);
    }
    if let Some(method) = params.str("default_payment_method") {
        invoice["default_payment_method"] = state.find("payment_method", method)?["id"].clone();
    }
    if let Some(number) = params.str("number") {
        invoice["_number"] = json!(number);
    }
    if params.has("custom_fields") {
        invoice["custom_fields"] = params.at("custom_fields").raw().clone();
    }
    invoice["metadata"] = params.metadata_over(&invoice["metadata"]);
    Ok(())
}

/// `GET /v1/invoices/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("invoice", call.id())
}

/// `GET /v1/invoices`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    list::page(state, call, "invoice", |invoice| {
        list::equal(params, &["customer", "status", "collection_method", "subscription"], invoice) && list::created(params, invoice)
    })
}

/// `POST /v1/invoices/{id}`: everything on a draft; afterwards only what does not change the document.
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = state.find("invoice", call.id())?;
    let params = &call.params;
    for fixed in ["customer", "currency", "pending_invoice_items_behavior"] {
        if params.has(fixed) {
            return Err(ApiError::invalid(format!("Received unknown parameter: {fixed}")).code("parameter_unknown").param(fixed));
        }
    }
    let harmless = ["metadata", "auto_advance", "default_payment_method", "payment_settings", "expand", "description"];
    let sent = params.raw().as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if before["status"] != "draft" && sent.into_iter().any(|name| !harmless.contains(&name)) {
        return Err(not_editable("Finalized invoices can't be updated in this way"));
    }
    let mut invoice = before.clone();
    apply(state, &mut invoice, params)?;
    state.put(invoice.clone());
    state.emit_updated("invoice.updated", &before, &invoice);
    Ok(invoice)
}

/// `DELETE /v1/invoices/{id}`: drafts only.
pub fn delete(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let invoice = draft(state, call.id(), "You can only delete draft invoices.")?;
    for line in invoice["_lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        state.remove(line);
    }
    state.remove(call.id());
    state.emit("invoice.deleted", &invoice);
    Ok(json!({"id": call.id(), "object": "invoice", "deleted": true}))
}

/// `POST /v1/invoices/{id}/send`: as in Stripe's test mode, an event and no mail.
pub fn send(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut invoice = state.find("invoice", call.id())?;
    if invoice["status"] == "draft" {
        invoice = invoice_finalize::finalized(state, invoice)?;
    }
    if invoice["collection_method"] != "send_invoice" {
        return Err(ApiError::invalid("You can only manually send an invoice if its collection method is 'send_invoice'."));
    }
    state.emit("invoice.sent", &invoice);
    Ok(invoice)
}

/// `POST /v1/invoices/{id}/void`
pub fn void(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let invoice = state.find("invoice", call.id())?;
    if invoice["status"] != "open" && invoice["status"] != "uncollectible" {
        return Err(ApiError::invalid("You can only pass in open or uncollectible invoices. This invoice isn't open."));
    }
    invoice_payments::cancel(state, call.id());
    close(state, invoice, "void", "voided_at", "invoice.voided")
}

/// `POST /v1/invoices/{id}/mark_uncollectible`
pub fn mark_uncollectible(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let invoice = state.find("invoice", call.id())?;
    if invoice["status"] != "open" {
        return Err(ApiError::invalid("You can only pass in open invoices. This invoice isn't open."));
    }
    close(state, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")
}

fn close(state: &mut State, mut invoice: Value, status: &str, stamp: &str, event: &str) -> Result<Value, ApiError> {
    invoice["status"] = json!(status);
    invoice["auto_advance"] = json!(false);
    invoice["status_transitions"][stamp] = json!(state.now());
    state.put(invoice.clone());
    state.emit(event, &invoice);
    Ok(invoice)
}

/// A draft, or the error with this message.
pub fn draft(state: &State, id: &str, otherwise: &str) -> Result<Value, ApiError> {
    let invoice = state.find("invoice", id)?;
    if invoice["status"] == "draft" { Ok(invoice) } else { Err(not_editable(otherwise)) }
}

fn not_editable(message: &str) -> ApiError {
    ApiError::invalid(message).code("invoice_not_editable")
}
