//! From a kept object to an answered one: our own members go, computed ones come, and `expand[]` follows ids.

use serde_json::{Value, json};

use super::{ApiError, list, store::State};

/// The object as Stripe would answer it, without expansion. Lists are answered entry by entry.
pub fn public(state: &State, object: &Value) -> Value {
    let Value::Object(members) = object else { return object.clone() };
    let mut answer: Value = members.iter().filter(|(name, _)| !name.starts_with('_')).map(|(n, v)| (n.clone(), v.clone())).collect();
    let base = &state.base_url;
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    match answer["object"].as_str().unwrap_or_default() {
        "list" => {
            let entries = object["data"].as_array().cloned().unwrap_or_default();
            answer["data"] = entries.iter().map(|entry| public(state, entry)).collect();
        }
        "invoice" => {
            answer["lines"] = list::embedded(state, &object["_lines"], &format!("/v1/invoices/{id}/lines"), 10);
            if answer["number"].is_string() {
                answer["hosted_invoice_url"] = json!(format!("{base}/invoice/{id}"));
                answer["invoice_pdf"] = json!(format!("{base}/invoice/{id}/pdf"));
            }
        }
        "credit_note" => {
            answer["lines"] = list::embedded(state, &object["_lines"], &format!("/v1/credit_notes/{id}/lines"), 10);
        }
        "checkout.session" if answer["status"] == "open" => answer["url"] = json!(format!("{base}/pay/{id}")),
        "billing_portal.session" => answer["url"] = json!(format!("{base}/portal/{id}")),
        "payment_intent" | "setup_intent" if answer["next_action"]["type"] == "redirect_to_url" => {
            answer["next_action"]["redirect_to_url"]["url"] = json!(format!("{base}/3ds/{id}"));
        }
        _ => {}
    }
    answer
}

/// Applies one `expand[]` path to an answer.
pub fn expand(state: &State, answer: &mut Value, path: &str) -> Result<(), ApiError> {
    let segments: Vec<&str> = path.split('.').collect();
    if segments.len() > 5 {
        return Err(ApiError::invalid("You cannot expand more than 4 levels of a property.").param("expand"));
    }
    walk(state, answer, &segments, path)
}

fn walk(state: &State, node: &mut Value, path: &[&str], full: &str) -> Result<(), ApiError> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    if let Value::Array(entries) = node {
        return entries.iter_mut().try_for_each(|entry| walk(state, entry, path, full));
    }
    if node.get(*name).is_none_or(Value::is_null)
        && let Some(included) = on_request(state, node, name)
    {
        node[*name] = included;
    }
    let Some(child) = node.get_mut(*name) else {
        let message = format!("This property cannot be expanded ({full}).");
        return Err(ApiError::invalid(message).param("expand"));
    };
    if let Some(object) = child.as_str().and_then(|id| state.get(id)) {
        *child = public(state, object);
    }
    match child {
        Value::Null | Value::String(_) => Ok(()),
        _ => walk(state, child, rest, full),
    }
}

/// Members that are there only when they are asked for.
fn on_request(state: &State, node: &Value, name: &str) -> Option<Value> {
    let id = node["id"].as_str()?;
    let kept = state.get(id)?;
    let of = |kind: &str| -> Value { state.naming(kind, id).map(|object| object["id"].clone()).collect() };
    match (node["object"].as_str()?, name) {
        ("checkout.session", "line_items") => {
            Some(list::embedded(state, &kept["_line_items"], &format!("/v1/checkout/sessions/{id}/line_items"), 100))
        }
        ("invoice", "payments") => Some(list::embedded(state, &of("invoice_payment"), &format!("/v1/invoice_payments?invoice={id}"), 10)),
        ("customer", "tax_ids") => Some(list::embedded(state, &of("tax_id"), &format!("/v1/customers/{id}/tax_ids"), 10)),
        ("charge", "refunds") => Some(list::embedded(state, &of("refund"), &format!("/v1/charges/{id}/refunds"), 10)),
        _ => None,
    }
}
