//! Credit notes: on an open invoice they lower what is due; on a paid one they say where the money went back to.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, invoice_pay, invoice_payments, list,
    params::Params,
    refunds,
    store::{State, new_id},
};

/// Parameters of create.
pub const WORDS: &str = "invoice amount lines{type amount quantity unit_amount unit_amount_decimal description invoice_line_item metadata \
    tax_amounts tax_rates} refund_amount credit_amount out_of_band_amount refunds{refund amount_refunded type} reason memo metadata \
    effective_at email_type shipping_cost expand";

/// `POST /v1/credit_notes`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let invoice = state.find("invoice", params.need("invoice")?).map_err(|error| error.param("invoice"))?;
    let reason = params.one_of("reason", &["duplicate", "fraudulent", "order_change", "product_unsatisfactory"])?;
    let paid = match invoice["status"].as_str() {
        Some("paid") => true,
        Some("open" | "uncollectible") => false,
        _ => return Err(ApiError::invalid("Credit notes can only be created for finalized invoices.").param("invoice")),
    };
    let lines = lines_of(state, &invoice, params)?;
    let total: i64 = lines.iter().filter_map(|line| line["amount"].as_i64()).sum();
    check_total(&invoice, paid, total)?;
    let id = new_id("cn");
    let note = blank(state, &invoice, &id, (total, paid), lines);
    let mut note = super::store::over(
        note,
        json!({"memo": params.text("memo"), "metadata": params.metadata_over(&Value::Null), "reason": reason, "effective_at": state.now()}),
    );
    if paid {
        give_back(state, &invoice, &mut note, params, total)?;
    } else {
        lower(state, &invoice, total)?;
    }
    state.put(note.clone());
    state.emit("credit_note.created", &note);
    Ok(note)
}

fn blank(state: &mut State, invoice: &Value, id: &str, (total, paid): (i64, bool), lines: Vec<Value>) -> Value {
    let earlier = state.naming("credit_note", invoice["id"].as_str().unwrap_or_default()).count();
    let number = format!("{}-CN-{:02}", invoice["number"].as_str().unwrap_or_default(), earlier + 1);
    let ids: Vec<Value> = lines.iter().map(|line| line["id"].clone()).collect();
    for line in lines {
        state.put(line);
    }
    json!({
        "id": id, "object": "credit_note", "amount": total, "amount_shipping": 0, "created": state.now(), "currency": invoice["currency"],
        "customer": invoice["customer"], "customer_account": null, "customer_balance_transaction": null, "discount_amount": 0,
        "discount_amounts": [], "invoice": invoice["id"], "livemode": false, "number": number, "out_of_band_amount": null,
        "pdf": format!("{}/invoice/{}/pdf", state.base_url, invoice["id"].as_str().unwrap_or_default()),
        "post_payment_amount": if paid { total } else { 0 }, "pre_payment_amount": if paid { 0 } else { total },
        "pretax_credit_amounts": [], "refunds": [], "shipping_cost": null, "status": "issued", "subtotal": total,
        "subtotal_excluding_tax": total, "total": total, "total_excluding_tax": total, "total_taxes": [],
        "type": if paid { "post_payment" } else { "pre_payment" }, "voided_at": null, "_lines": ids,
    })
}

fn lines_of(state: &State, invoice: &Value, params: &Params) -> Result<Vec<Value>, ApiError> {
    let lines = params.list("lines");
    if lines.is_empty() {
        return Ok(vec![line(params.need_int("amount")?, 1, Value::Null, &Params::default())]);
    }
    let one = |sent: &Params| {
        let of = match sent.need("type")? {
            "invoice_line_item" => state.find("line_item", sent.need("invoice_line_item")?)?,
            "custom_line_item" => Value::Null,
            other => return Err(ApiError::invalid(format!("Invalid type: {other}")).param(&sent.path("type"))),
        };
        if of["invoice"].is_string() && of["invoice"] != invoice["id"] {
            return Err(ApiError::missing("line_item", sent.need("invoice_line_item")?).param(&sent.path("invoice_line_item")));
        }
        let quantity = sent.int("quantity")?.unwrap_or(1);
        let amount = match (sent.int("amount")?, of["amount"].as_i64(), sent.int("unit_amount")?) {
            (Some(amount), _, _) => amount,
            (None, Some(whole), _) => whole,
            (None, None, Some(unit)) => unit.saturating_mul(quantity),
            (None, None, None) => return Err(sent.absent("unit_amount")),
        };
        Ok(line(amount, quantity, of, sent))
    };
    lines.iter().map(one).collect()
}

fn line(amount: i64, quantity: i64, of: Value, sent: &Params) -> Value {
    let custom = of.is_null();
    let own = sent.text("description");
    json!({
        "id": new_id("cnli"), "object": "credit_note_line_item", "amount": amount, "discount_amount": 0, "discount_amounts": [],
        "description": if own.is_null() { of["description"].clone() } else { own }, "livemode": false,
        "metadata": sent.metadata_over(&Value::Null), "pretax_credit_amounts": [], "quantity": quantity, "tax_rates": [], "taxes": [],
        "type": if custom { "custom_line_item" } else { "invoice_line_item" }, "unit_amount": custom.then(|| amount / quantity.max(1)),
        "unit_amount_decimal": custom.then(|| (amount / quantity.max(1)).to_string()), "invoice_line_item": of["id"],
    })
}

fn check_total(invoice: &Value, paid: bool, total: i64) -> Result<(), ApiError> {
    let of = |name: &str| invoice[name].as_i64().unwrap_or(0);
    let credited = of("post_payment_credit_notes_amount") + of("pre_payment_credit_notes_amount");
    let most = if paid { of("total") - credited } else { of("amount_remaining") };
    if total < 1 || total > most {
        let message = format!("The credit note's amount ({total}) must be positive and at most what is left of the invoice ({most}).");
        return Err(ApiError::invalid(message).code("amount_too_large").param("amount"));
    }
    Ok(())
}

/// A paid invoice: each unit goes back to the card, to the balance, or outside of Stripe.
fn give_back(state: &mut State, invoice: &Value, note: &mut Value, params: &Params, total: i64) -> Result<(), ApiError> {
    let amount = |name: &str| Ok::<_, ApiError>(params.int(name)?.unwrap_or(0));
    let (refund, credit, outside) = (amount("refund_amount")?, amount("credit_amount")?, amount("out_of_band_amount")?);
    let mut linked = Vec::new();
    for sent in params.list("refunds") {
        let id = sent.need("refund")?;
        let known = state.find("refund", id)?;
        let part = sent.int("amount_refunded")?.or(known["amount"].as_i64()).unwrap_or(0);
        linked.push(json!({"amount_refunded": part, "refund": id, "type": "refund"}));
    }
    let named: i64 = linked.iter().filter_map(|refund| refund["amount_refunded"].as_i64()).sum();
    if refund + credit + outside + named != total {
        let message = "The sum of credit_amount, refund_amount, refunds and out_of_band_amount must equal the credit note amount.";
        return Err(ApiError::invalid(message));
    }
    if refund > 0 {
        let charge = invoice_payments::charge_of(state, invoice["id"].as_str().unwrap_or_default());
        let charge = charge.ok_or_else(|| ApiError::invalid("This invoice has no charge to refund.").param("refund_amount"))?;
        let made = refunds::make(state, charge, Some(refund), json!({}), Value::Null)?;
        linked.push(json!({"amount_refunded": refund, "refund": made["id"], "type": "refund"}));
    }
    if credit > 0 {
        let before = customers::alive(state, invoice["customer"].as_str().unwrap_or_default())?;
        let mut customer = before.clone();
        customer["balance"] = json!(before["balance"].as_i64().unwrap_or(0) - credit);
        customers::change(state, &before, customer)?;
        note["customer_balance_transaction"] = json!(new_id("cbtxn"));
    }
    note["out_of_band_amount"] = json!(Some(outside).filter(|outside| *outside > 0));
    note["refunds"] = json!(linked);
    change(state, invoice, |invoice| add(invoice, "post_payment_credit_notes_amount", total));
    Ok(())
}

/// An open invoice: less is due; nothing due is paid.
fn lower(state: &mut State, invoice: &Value, total: i64) -> Result<(), ApiError> {
    let id = invoice["id"].as_str().unwrap_or_default();
    change(state, invoice, |invoice| {
        add(invoice, "pre_payment_credit_notes_amount", total);
        add(invoice, "amount_due", -total);
        add(invoice, "amount_remaining", -total);
    });
    let left = state.find("invoice", id)?["amount_remaining"].as_i64().unwrap_or(0);
    if left == 0 {
        invoice_payments::cancel(state, id);
        return invoice_pay::paid(state, id, 0).map(|_| ());
    }
    invoice_payments::ask_for(state, id, left);
    Ok(())
}

fn add(invoice: &mut Value, name: &str, amount: i64) {
    invoice[name] = json!(invoice[name].as_i64().unwrap_or(0) + amount);
}

fn change(state: &mut State, before: &Value, how: impl FnOnce(&mut Value)) {
    let mut after = before.clone();
    how(&mut after);
    state.put(after.clone());
    state.emit_updated("invoice.updated", before, &after);
}

/// `GET /v1/credit_notes/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("credit_note", call.id())
}

/// `GET /v1/credit_notes`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    list::page(state, call, "credit_note", |note| list::equal(params, &["customer", "invoice"], note) && list::created(params, note))
}

/// `GET /v1/credit_notes/{id}/lines`
pub fn lines(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let note = state.find("credit_note", call.id())?;
    let ids = note["_lines"].as_array().into_iter().flatten();
    list::cut(call, ids.filter_map(|id| state.get(id.as_str()?)).cloned().collect())
}

/// `POST /v1/credit_notes/{id}/void`: only while its invoice is open.
pub fn void(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut note = state.find("credit_note", call.id())?;
    let invoice = state.find("invoice", note["invoice"].as_str().unwrap_or_default())?;
    if note["status"] != "issued" || invoice["status"] != "open" {
        return Err(ApiError::invalid("You can only void issued credit notes of open invoices."));
    }
    let amount = note["total"].as_i64().unwrap_or(0);
    change(state, &invoice, |invoice| {
        add(invoice, "pre_payment_credit_notes_amount", -amount);
        add(invoice, "amount_due", amount);
        add(invoice, "amount_remaining", amount);
    });
    let id = invoice["id"].as_str().unwrap_or_default();
    let left = state.find("invoice", id)?["amount_remaining"].as_i64().unwrap_or(0);
    invoice_payments::ask_for(state, id, left);
    note["status"] = json!("void");
    note["voided_at"] = json!(state.now());
    state.put(note.clone());
    state.emit("credit_note.voided", &note);
    Ok(note)
}
