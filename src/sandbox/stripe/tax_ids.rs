//! Tax ids of customers. Verification goes by Stripe's magic values: `…000000000` verified, `…111111111` unverified,
//! `…222222222` stays pending; any other is verified.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, list,
    store::{State, new_id},
};

/// Types that someone looks up; the rest stay `unavailable`.
const LOOKED_UP: &[&str] = &["au_abn", "eu_vat", "gb_vat"];

/// `POST /v1/customers/{id}/tax_ids`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let (kind, value) = (call.params.need("type")?, call.params.need("value")?);
    add(state, call.id(), kind, value)
}

/// Adds one; the answer tells it as pending, and it is verified by the time anyone reads it.
pub fn add(state: &mut State, customer: &str, kind: &str, value: &str) -> Result<Value, ApiError> {
    customers::alive(state, customer)?;
    let known = kind.split_once('_').is_some_and(|(country, rest)| country.len() == 2 && !rest.is_empty());
    if !known {
        return Err(ApiError::invalid(format!("Invalid type: {kind}")).param("type"));
    }
    let fits = kind != "eu_vat" || (value.len() >= 8 && value.len() <= 14 && value.bytes().take(2).all(|b| b.is_ascii_uppercase()));
    if !fits || value.len() > 64 {
        return Err(ApiError::invalid(format!("Invalid value for {kind}.")).code("tax_id_invalid").param("value"));
    }
    let country = if kind == "eu_vat" { value[..2].to_owned() } else { kind[..2].to_uppercase() };
    let looked_up = LOOKED_UP.contains(&kind);
    let status = if looked_up { "pending" } else { "unavailable" };
    let mut tax_id = json!({
        "id": new_id("txi"), "object": "tax_id", "country": country, "created": state.now(), "customer": customer, "customer_account": null,
        "livemode": false, "owner": {"type": "customer", "customer": customer, "customer_account": null, "account": null, "application": null},
        "type": kind, "value": value, "verification": {"status": status, "verified_address": null, "verified_name": null},
    });
    state.put(tax_id.clone());
    state.emit("customer.tax_id.created", &tax_id);
    let answer = tax_id.clone();
    if looked_up && !value.ends_with("222222222") {
        let verified = !value.ends_with("111111111");
        tax_id["verification"]["status"] = json!(if verified { "verified" } else { "unverified" });
        state.put(tax_id.clone());
        state.emit_updated("customer.tax_id.updated", &answer, &tax_id);
    }
    Ok(answer)
}

/// `GET /v1/customers/{id}/tax_ids`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    customers::alive(state, call.id())?;
    list::page(state, call, "tax_id", |tax_id| tax_id["customer"] == call.id())
}

/// `GET /v1/customers/{id}/tax_ids/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("tax_id", call.second()).and_then(|tax_id| of(tax_id, call.id()))
}

/// `DELETE /v1/customers/{id}/tax_ids/{id}`
pub fn delete(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let tax_id = get(state, call)?;
    state.remove(call.second());
    state.emit("customer.tax_id.deleted", &tax_id);
    Ok(json!({"id": call.second(), "object": "tax_id", "deleted": true}))
}

fn of(tax_id: Value, customer: &str) -> Result<Value, ApiError> {
    if tax_id["customer"] == customer { Ok(tax_id) } else { Err(ApiError::missing("tax_id", tax_id["id"].as_str().unwrap_or_default())) }
}

/// As an invoice keeps them.
pub fn on_paper(state: &State, customer: &Value) -> Value {
    let own = state.naming("tax_id", customer["id"].as_str().unwrap_or_default());
    own.map(|tax_id| json!({"type": tax_id["type"], "value": tax_id["value"]})).collect()
}
