//! Customers.

use serde_json::{Value, json};

use super::{
    ApiError, Call, list,
    params::Params,
    payment_methods,
    store::{State, new_id},
    tax_ids,
};

/// Parameters of create and update.
pub const WORDS: &str = "address{city country line1 line2 postal_code state} balance business_name description email \
    individual_name invoice_prefix invoice_settings{custom_fields default_payment_method footer rendering_options} metadata \
    name next_invoice_sequence payment_method phone preferred_locales shipping tax{ip_address validate_location} tax_exempt \
    tax_id_data{type value} test_clock expand";

/// `POST /v1/customers`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let id = new_id("cus");
    let mut customer = json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": state.now(), "currency": null,
        "customer_account": null, "default_source": null, "delinquent": false, "description": null, "discount": null,
        "email": null, "invoice_prefix": id[4..12].to_uppercase(),
        "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null},
        "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null,
        "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
    });
    if let Some(clock) = call.params.str("test_clock") {
        customer["test_clock"] = state.find("test_helpers.test_clock", clock)?["id"].clone();
    }
    apply(state, &mut customer, &call.params)?;
    state.put(customer.clone());
    state.emit("customer.created", &customer);
    for tax_id in call.params.list("tax_id_data") {
        tax_ids::add(state, &id, tax_id.need("type")?, tax_id.need("value")?)?;
    }
    if let Some(method) = call.params.str("payment_method") {
        payment_methods::attach_to(state, method, &id)?;
    }
    state.find("customer", &id)
}

/// `GET /v1/customers/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("customer", call.id())
}

/// `POST /v1/customers/{id}`
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = alive(state, call.id())?;
    for fixed in ["tax_id_data", "test_clock"] {
        if call.params.has(fixed) {
            return Err(ApiError::invalid(format!("Received unknown parameter: {fixed}")).code("parameter_unknown").param(fixed));
        }
    }
    let mut customer = before.clone();
    apply(state, &mut customer, &call.params)?;
    change(state, &before, customer)
}

/// `DELETE /v1/customers/{id}`
pub fn delete(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let customer = alive(state, call.id())?;
    let gone = json!({"id": call.id(), "object": "customer", "deleted": true});
    state.put(gone.clone());
    state.emit("customer.deleted", &customer);
    Ok(gone)
}

/// `GET /v1/customers`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    list::page(state, call, "customer", |customer| {
        customer["deleted"].is_null() && list::equal(params, &["email"], customer) && list::created(params, customer)
    })
}

/// A customer that is not deleted.
pub fn alive(state: &State, id: &str) -> Result<Value, ApiError> {
    let customer = state.find("customer", id).map_err(|error| error.param("customer"))?;
    if customer["deleted"] == true {
        return Err(ApiError::missing("customer", id).param("customer"));
    }
    Ok(customer)
}

/// Keeps a changed customer and tells so.
pub fn change(state: &mut State, before: &Value, after: Value) -> Result<Value, ApiError> {
    state.put(after.clone());
    if *before != after {
        state.emit_updated("customer.updated", before, &after);
    }
    Ok(after)
}

fn apply(state: &State, customer: &mut Value, params: &Params) -> Result<(), ApiError> {
    for name in ["business_name", "description", "email", "individual_name", "name", "phone"] {
        if params.has(name) {
            customer[name] = params.text(name);
        }
    }
    if let Some(email) = params.str("email")
        && !email.contains('@')
    {
        return Err(ApiError::invalid(format!("Invalid email address: {email}")).code("email_invalid").param("email"));
    }
    if params.has("address") {
        customer["address"] = address(&params.at("address"));
    }
    if let Some(balance) = params.int("balance")? {
        customer["balance"] = json!(balance);
    }
    if let Some(prefix) = params.str("invoice_prefix") {
        customer["invoice_prefix"] = json!(prefix);
    }
    if let Some(next) = params.int("next_invoice_sequence")? {
        customer["next_invoice_sequence"] = json!(next);
    }
    if let Some(exempt) = params.one_of("tax_exempt", &["exempt", "none", "reverse"])? {
        customer["tax_exempt"] = json!(exempt);
    }
    let settings = params.at("invoice_settings");
    if settings.has("default_payment_method") {
        customer["invoice_settings"]["default_payment_method"] = default_method(state, customer, &settings)?;
    }
    if settings.has("footer") {
        customer["invoice_settings"]["footer"] = settings.text("footer");
    }
    customer["metadata"] = params.metadata_over(&customer["metadata"]);
    Ok(())
}

fn default_method(state: &State, customer: &Value, settings: &Params) -> Result<Value, ApiError> {
    let Some(id) = settings.str("default_payment_method") else { return Ok(Value::Null) };
    let method = state.find("payment_method", id)?;
    if method["customer"] != customer["id"] {
        let message = "The customer does not have a payment method with the ID ".to_owned()
            + id
            + ". The payment method must be attached to the customer.";
        return Err(ApiError::invalid(message).code("resource_missing").param(&settings.path("default_payment_method")));
    }
    Ok(json!(id))
}

/// An address with all of its members.
pub fn address(params: &Params) -> Value {
    if params.raw().as_object().is_none() {
        return Value::Null;
    }
    let members = ["city", "country", "line1", "line2", "postal_code", "state"];
    members.into_iter().map(|name| (name.to_owned(), params.text(name))).collect()
}
