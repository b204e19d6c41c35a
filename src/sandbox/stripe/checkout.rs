//! Checkout Sessions: mode `payment` (top-ups) and mode `setup` (save a card).

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, list,
    params::Params,
    payment_intents, setup_intents,
    store::{State, new_id, nulls, over},
    wallets,
};

/// Parameters of create.
pub const WORDS: &str = "mode success_url cancel_url customer customer_email customer_creation customer_update client_reference_id \
    currency expires_at locale metadata submit_type ui_mode automatic_tax{enabled liability} billing_address_collection \
    line_items{price price_data{currency product product_data{name description images metadata tax_code} unit_amount unit_amount_decimal \
    tax_behavior} quantity} payment_intent_data{description metadata setup_future_usage receipt_email statement_descriptor \
    statement_descriptor_suffix transfer_group capture_method} setup_intent_data{description metadata on_behalf_of} \
    payment_method_options payment_method_configuration allowed_payment_method_types excluded_payment_method_types \
    payment_method_collection invoice_creation{enabled} allow_promotion_codes consent_collection custom_text phone_number_collection \
    saved_payment_method_options tax_id_collection adaptive_pricing redirect_on_completion branding_settings expand";

/// `POST /v1/checkout/sessions`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let mode = params.one_of("mode", &["payment", "setup"])?.ok_or_else(|| params.absent("mode"))?;
    let success = params.need("success_url")?;
    if !success.starts_with("http://") && !success.starts_with("https://") {
        return Err(ApiError::invalid("Not a valid URL").code("url_invalid").param("success_url"));
    }
    let customer = params.str("customer").map(|id| customers::alive(state, id)).transpose()?;
    let created = state.now();
    let expires = params.int("expires_at")?.unwrap_or(created + 24 * 3600);
    if !(created + 29 * 60..=created + 24 * 3600 + 60).contains(&expires) {
        let message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
        return Err(ApiError::invalid(message).param("expires_at"));
    }
    let id = new_id("cs_test");
    let mut session = blank(&id, mode, params, customer.as_ref());
    session["created"] = json!(created);
    session["expires_at"] = json!(expires);
    if mode == "payment" {
        price(state, &mut session, params)?;
    } else {
        if params.has("line_items") {
            return Err(ApiError::invalid("You can not pass `line_items` in `setup` mode.").param("line_items"));
        }
        session["currency"] = json!(params.currency("currency")?);
        let metadata = params.at("setup_intent_data").metadata_over(&Value::Null);
        let intent = setup_intents::open(state, &session["customer"], &metadata, Some(&id));
        session["setup_intent"] = intent["id"].clone();
    }
    session["payment_method_types"] = wallets::offered(&session, params);
    state.put(session.clone());
    Ok(session)
}

fn blank(id: &str, mode: &str, params: &Params, customer: Option<&Value>) -> Value {
    let email = customer.map_or(&Value::Null, |customer| &customer["email"]);
    let details = customer.map(|customer| {
        json!({"address": customer["address"], "business_name": null, "email": email, "individual_name": null, "name": customer["name"],
               "phone": customer["phone"], "tax_exempt": "none", "tax_ids": []})
    });
    let own = json!({
        "id": id, "object": "checkout.session",
        "automatic_tax": {"enabled": params.at("automatic_tax").str("enabled") == Some("true"), "liability": null, "provider": null, "status": null},
        "cancel_url": params.text("cancel_url"), "client_reference_id": params.text("client_reference_id"),
        "customer": customer.map(|customer| &customer["id"]), "customer_details": details,
        "customer_creation": if mode == "payment" && customer.is_none() { json!("if_required") } else { Value::Null },
        "customer_email": params.text("customer_email"), "locale": params.text("locale"), "metadata": params.metadata_over(&Value::Null),
        "mode": mode, "payment_method_collection": if mode == "payment" { "if_required" } else { "always" },
        "payment_status": if mode == "payment" { "unpaid" } else { "no_payment_required" },
        "submit_type": params.text("submit_type"), "success_url": params.text("success_url"),
        "_intent": params.at("payment_intent_data").raw(),
        "_save_card": params.at("payment_method_options").at("card").text("setup_future_usage"),
    });
    over(defaults(), own)
}

/// The members that every session starts with.
fn defaults() -> Value {
    const EMPTY: &str = "after_expiration allow_promotion_codes amount_subtotal amount_total billing_address_collection client_secret \
        collected_information consent consent_collection currency currency_conversion customer_account invoice invoice_creation \
        origin_context payment_intent payment_link payment_method_configuration_details permissions recovered_from \
        saved_payment_method_options setup_intent shipping_address_collection shipping_cost subscription total_details url wallet_options";
    let set = json!({
        "adaptive_pricing": {"enabled": false}, "custom_fields": [], "discounts": [], "livemode": false,
        "custom_text": {"after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null},
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}}, "payment_method_types": ["card"],
        "phone_number_collection": {"enabled": false}, "shipping_options": [], "status": "open", "ui_mode": "hosted_page",
    });
    over(nulls(EMPTY), set)
}

/// Line items, their sum, and what Stripe checks about it.
fn price(state: &mut State, session: &mut Value, params: &Params) -> Result<(), ApiError> {
    let items = params.list("line_items");
    if items.is_empty() {
        return Err(params.absent("line_items"));
    }
    let mut total: i64 = 0;
    let mut ids = Vec::new();
    let mut currency = None;
    for item in &items {
        let line = line_item(state.now(), item)?;
        if currency.get_or_insert_with(|| line["currency"].clone()) != &line["currency"] {
            return Err(ApiError::invalid("All line items must have the same currency.").param(&item.path("price_data")));
        }
        total = total.saturating_add(line["amount_total"].as_i64().unwrap_or(0));
        ids.push(line["id"].clone());
        state.put(line);
    }
    let currency = currency.unwrap_or_default();
    payment_intents::check_amount(total, currency.as_str().unwrap_or_default(), "line_items")?;
    session["amount_subtotal"] = json!(total);
    session["amount_total"] = json!(total);
    session["total_details"] = json!({"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0});
    session["currency"] = currency;
    session["_line_items"] = json!(ids);
    Ok(())
}

fn line_item(now: i64, item: &Params) -> Result<Value, ApiError> {
    if let Some(id) = item.str("price") {
        return Err(ApiError::missing("price", id).param(&item.path("price")));
    }
    let data = item.at("price_data");
    let currency = data.currency("currency")?;
    let unit = data.need_int("unit_amount")?;
    let quantity = item.int("quantity")?.unwrap_or(1);
    let product = data.at("product_data");
    let name = product.need("name")?;
    if unit < 0 || quantity < 1 {
        return Err(ApiError::invalid("Invalid non-negative integer").code("parameter_invalid_integer").param(&data.path("unit_amount")));
    }
    let amount = unit.saturating_mul(quantity);
    Ok(json!({
        "id": new_id("li"), "object": "item", "adjustable_quantity": null, "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
        "amount_total": amount, "currency": currency, "description": name, "metadata": {}, "quantity": quantity,
        "price": {
            "id": new_id("price"), "object": "price", "active": false, "billing_scheme": "per_unit", "created": now, "currency": currency,
            "custom_unit_amount": null, "livemode": false, "lookup_key": null, "metadata": {}, "nickname": null, "product": new_id("prod"),
            "recurring": null, "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "one_time",
            "unit_amount": unit, "unit_amount_decimal": unit.to_string(),
        },
    }))
}

/// A session, expired by now if its time is over.
pub fn current(state: &mut State, id: &str) -> Result<Value, ApiError> {
    let session = state.find("checkout.session", id)?;
    if session["status"] == "open" && session["expires_at"].as_i64().is_some_and(|at| at <= state.now()) {
        return Ok(expired(state, session));
    }
    Ok(session)
}

fn expired(state: &mut State, mut session: Value) -> Value {
    session["status"] = json!("expired");
    state.put(session.clone());
    state.emit("checkout.session.expired", &session);
    session
}

/// `GET /v1/checkout/sessions/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    current(state, call.id())
}

/// `GET /v1/checkout/sessions`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    list::page(state, call, "checkout.session", |session| {
        list::equal(params, &["customer", "payment_intent", "status"], session) && list::created(params, session)
    })
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub fn line_items(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let session = state.find("checkout.session", call.id())?;
    let ids = session["_line_items"].as_array().cloned().unwrap_or_default();
    list::cut(call, ids.iter().filter_map(|id| state.get(id.as_str()?)).cloned().collect())
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub fn expire(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let session = current(state, call.id())?;
    if session["status"] != "open" {
        let status = session["status"].as_str().unwrap_or_default();
        let message =
            format!("Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {status}.");
        return Err(ApiError::invalid(message));
    }
    Ok(expired(state, session))
}
