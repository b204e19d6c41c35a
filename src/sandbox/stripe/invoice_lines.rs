//! Lines of an invoice: added in bulk to a draft, or as pending invoice items.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, invoices, list,
    params::Params,
    store::{State, new_id},
};

/// Parameters of `add_lines`.
pub const WORDS: &str = "lines{amount description metadata period{start end} quantity discountable invoice_item \
    price_data{currency product product_data{name description metadata} unit_amount unit_amount_decimal tax_behavior} \
    tax_rates tax_amounts discounts} invoice_metadata expand";
/// Parameters of an invoice item.
pub const ITEM_WORDS: &str = "customer amount currency description invoice metadata period{start end} quantity discountable \
    unit_amount_decimal price_data{currency product unit_amount unit_amount_decimal tax_behavior} expand";

const MOST: usize = 250;

/// `POST /v1/invoices/{id}/add_lines`: all of them or none.
pub fn add(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = invoices::draft(state, call.id(), "You can only add lines to draft invoices.")?;
    let lines = call.params.list("lines");
    if lines.is_empty() {
        return Err(call.params.absent("lines"));
    }
    let there = before["_lines"].as_array().map_or(0, Vec::len);
    if lines.len() + there > MOST {
        return Err(ApiError::invalid(format!("An invoice has at most {MOST} lines.")).param("lines"));
    }
    let mut invoice = before.clone();
    let new = lines.iter().map(|line| line_of(state.now(), &invoice, line)).collect::<Result<Vec<_>, _>>()?;
    for line in new {
        append(state, &mut invoice, line);
    }
    total(state, &mut invoice);
    invoice["metadata"] = Params::new(json!({"metadata": call.params.raw()["invoice_metadata"]})).metadata_if_sent(&invoice["metadata"]);
    state.put(invoice.clone());
    state.emit_updated("invoice.updated", &before, &invoice);
    Ok(invoice)
}

fn line_of(now: i64, invoice: &Value, line: &Params) -> Result<Value, ApiError> {
    let quantity = line.int("quantity")?.unwrap_or(1);
    let data = line.at("price_data");
    let (amount, pricing) = match line.int("amount")? {
        Some(amount) => (amount, Value::Null),
        None if line.has("price_data") => {
            let unit = data.need_int("unit_amount")?;
            if data.currency("currency")? != invoice["currency"] {
                return Err(ApiError::invalid("The currency of a line must be the invoice's.").param(&data.path("currency")));
            }
            let pricing = json!({"price_details": {"price": new_id("price"), "product": new_id("prod")}, "type": "price_details", "unit_amount_decimal": unit.to_string()});
            (unit.saturating_mul(quantity), pricing)
        }
        None => return Err(line.absent("amount")),
    };
    let period = line.at("period");
    let (start, end) = match line.has("period") {
        true => (period.need_int("start")?, period.need_int("end")?),
        false => (now, now),
    };
    let name = data.at("product_data");
    let description = line.str("description").or(name.str("name"));
    Ok(json!({
        "id": new_id("il"), "object": "line_item", "amount": amount, "currency": invoice["currency"], "description": description,
        "discount_amounts": [], "discountable": line.bool("discountable")?.unwrap_or(true), "discounts": [], "invoice": invoice["id"],
        "livemode": false, "metadata": line.metadata_over(&Value::Null),
        "parent": {"type": "invoice_item_details", "subscription_item_details": null, "invoice_item_details": {
            "invoice_item": new_id("ii"), "proration": false, "proration_details": {"credited_items": null}, "subscription": null}},
        "period": {"start": start, "end": end}, "pretax_credit_amounts": [], "pricing": pricing, "quantity": quantity,
        "quantity_decimal": quantity.to_string(), "subscription": null, "subtotal": amount, "taxes": [],
    }))
}

fn append(state: &mut State, invoice: &mut Value, line: Value) {
    if let Some(ids) = invoice["_lines"].as_array_mut() {
        ids.push(line["id"].clone());
    }
    state.put(line);
}

/// Adds the lines up. What is due on a draft is a preview: the balance is applied at finalization.
pub fn total(state: &State, invoice: &mut Value) {
    let ids = invoice["_lines"].as_array().into_iter().flatten();
    let amounts = ids.filter_map(|id| state.get(id.as_str()?)?["amount"].as_i64());
    let total: i64 = amounts.sum();
    let due = total.saturating_add(invoice["starting_balance"].as_i64().unwrap_or(0)).max(0);
    for name in ["subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"] {
        invoice[name] = json!(total);
    }
    invoice["amount_due"] = json!(due);
    invoice["amount_remaining"] = json!(due);
}

/// `GET /v1/invoices/{id}/lines`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let invoice = state.find("invoice", call.id())?;
    let ids = invoice["_lines"].as_array().into_iter().flatten();
    list::cut(call, ids.filter_map(|id| state.get(id.as_str()?)).cloned().collect())
}

/// `POST /v1/invoiceitems`: on a draft at once, otherwise pending for the next invoice that includes pending ones.
pub fn create_item(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let customer = params.need("customer")?;
    customers::alive(state, customer)?;
    let invoice = params.str("invoice").map(|id| invoices::draft(state, id, "You can only add items to draft invoices.")).transpose()?;
    let currency = if params.has("currency") { params.currency("currency")? } else { "usd".to_owned() };
    let at = invoice.clone().unwrap_or_else(|| json!({"id": null, "currency": currency}));
    let mut line = line_of(state.now(), &at, params)?;
    let id = line["parent"]["invoice_item_details"]["invoice_item"].clone();
    let item = json!({
        "id": id, "object": "invoiceitem", "amount": line["amount"], "currency": line["currency"], "customer": customer, "customer_account": null, "date": state.now(),
        "description": line["description"], "discountable": true, "discounts": [], "invoice": at["id"], "livemode": false,
        "metadata": line["metadata"], "net_amount": line["amount"], "parent": null, "period": line["period"], "pricing": line["pricing"],
        "proration": false, "quantity": line["quantity"], "quantity_decimal": line["quantity_decimal"], "tax_rates": [], "test_clock": null,
    });
    state.put(item.clone());
    if let Some(mut invoice) = invoice {
        append(state, &mut invoice, line);
        total(state, &mut invoice);
        state.put(invoice);
    } else {
        line["_pending_for"] = json!(customer);
        state.put(line);
    }
    state.emit("invoiceitem.created", &item);
    Ok(item)
}

/// Moves a customer's pending items onto this invoice.
pub fn take_pending(state: &mut State, invoice: &mut Value, customer: &str) {
    let mut pending: Vec<Value> = state
        .naming("line_item", customer)
        .filter(|l| l["_pending_for"] == customer && l["currency"] == invoice["currency"])
        .cloned()
        .collect();
    pending.reverse();
    for mut line in pending {
        line["_pending_for"] = Value::Null;
        line["invoice"] = invoice["id"].clone();
        append(state, invoice, line);
    }
}
