//! Payment intents, as the API makes them: automatic top-ups, and those behind sessions and invoices.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, list,
    params::Params,
    payment_methods,
    payments::{self, Attempt},
    store::{State, new_id},
};

/// Parameters of create.
pub const WORDS: &str = "amount currency customer payment_method confirm off_session description metadata receipt_email return_url \
    setup_future_usage statement_descriptor statement_descriptor_suffix automatic_payment_methods{enabled allow_redirects} \
    allowed_payment_method_types excluded_payment_method_types payment_method_options capture_method confirmation_method \
    error_on_requires_action shipping transfer_group use_stripe_sdk expand";
/// Parameters of confirm.
pub const CONFIRM_WORDS: &str = "payment_method off_session return_url receipt_email setup_future_usage payment_method_options \
    error_on_requires_action use_stripe_sdk expand";

/// What a new intent is for.
#[derive(Debug, Default)]
pub struct New<'a> {
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: &'a str,
    /// Customer id or null.
    pub customer: Value,
    /// Text or null.
    pub description: Value,
    /// An object.
    pub metadata: Value,
    /// `off_session`, `on_session` or null.
    pub setup_future_usage: Value,
    /// Our own members: `_session`, `_invoice`.
    pub belongs: Option<(&'a str, &'a str)>,
}

/// The smallest amount that Stripe charges, in minor units.
pub fn minimum(currency: &str) -> i64 {
    match currency {
        "gbp" => 30,
        "cny" | "hkd" => 400,
        "mxn" => 1000,
        "sek" | "nok" => 300,
        "dkk" => 250,
        _ => 50,
    }
}

/// Stripe's error for less than [`minimum`].
pub fn check_amount(amount: i64, currency: &str, param: &str) -> Result<(), ApiError> {
    if amount < 1 {
        return Err(ApiError::invalid("Invalid positive integer").code("parameter_invalid_integer").param(param));
    }
    if amount < minimum(currency) {
        let message = format!("Amount must be at least {} {currency} minor units.", minimum(currency));
        return Err(ApiError::invalid(message).code("amount_too_small").param(param));
    }
    if amount > 99_999_999 {
        return Err(ApiError::invalid("Amount must be no more than 999,999.99.").code("amount_too_large").param(param));
    }
    Ok(())
}

/// Makes an intent.
pub fn open(state: &mut State, new: New<'_>) -> Value {
    let id = new_id("pi");
    let mut intent = json!({
        "id": id, "object": "payment_intent", "amount": new.amount, "amount_capturable": 0, "amount_details": {"tip": {}},
        "amount_received": 0, "application": null, "application_fee_amount": null,
        "automatic_payment_methods": {"enabled": true, "allow_redirects": "always"}, "canceled_at": null, "cancellation_reason": null,
        "capture_method": "automatic", "client_secret": format!("{id}_secret_sandbox"), "confirmation_method": "automatic",
        "created": state.now(), "currency": new.currency, "customer": new.customer, "customer_account": null, "description": new.description,
        "excluded_payment_method_types": null, "last_payment_error": null, "latest_charge": null, "livemode": false,
        "metadata": new.metadata, "next_action": null, "on_behalf_of": null, "payment_method": null, "payment_method_options": null,
        "payment_method_types": ["card"], "processing": null, "receipt_email": null, "review": null,
        "setup_future_usage": new.setup_future_usage, "shipping": null, "source": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": "requires_payment_method", "transfer_data": null, "transfer_group": null,
    });
    if let Some((name, owner)) = new.belongs {
        intent[name] = json!(owner);
    }
    state.put(intent.clone());
    state.emit("payment_intent.created", &intent);
    intent
}

/// `POST /v1/payment_intents`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let amount = params.need_int("amount")?;
    let currency = params.currency("currency")?;
    check_amount(amount, &currency, "amount")?;
    if let Some(customer) = params.str("customer") {
        customers::alive(state, customer)?;
    }
    let confirm_now = params.bool("confirm")?.unwrap_or(false);
    if !confirm_now && params.has("off_session") {
        return Err(ApiError::invalid("`off_session` can only be used with `confirm=true`.").param("off_session"));
    }
    let usage = params.one_of("setup_future_usage", &["off_session", "on_session"])?;
    let method = params.str("payment_method").map(|id| method_for(state, id, params.str("customer"))).transpose()?;
    let new = New {
        amount,
        currency: &currency,
        customer: params.text("customer"),
        description: params.text("description"),
        metadata: params.metadata_over(&Value::Null),
        setup_future_usage: json!(usage),
        belongs: None,
    };
    let mut intent = open(state, new);
    intent["receipt_email"] = params.text("receipt_email");
    intent["_return_url"] = params.text("return_url");
    if let Some(method) = &method {
        intent["payment_method"] = method["id"].clone();
        intent["status"] = json!("requires_confirmation");
    }
    state.put(intent.clone());
    if !confirm_now {
        return Ok(intent);
    }
    let method = method.ok_or_else(|| params.absent("payment_method"))?;
    try_now(state, &intent, &method, params)
}

/// `POST /v1/payment_intents/{id}/confirm`
pub fn confirm(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let mut intent = state.find("payment_intent", call.id())?;
    let status = intent["status"].as_str().unwrap_or_default();
    if !["requires_payment_method", "requires_confirmation", "requires_action"].contains(&status) {
        return Err(unexpected(state, &intent, "confirm"));
    }
    if params.has("return_url") {
        intent["_return_url"] = params.text("return_url");
        state.put(intent.clone());
    }
    let method = params.str("payment_method").or(intent["payment_method"].as_str()).map(str::to_owned);
    let method = method.ok_or_else(|| {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
        ApiError::invalid(message).code("payment_intent_unexpected_state")
    })?;
    let method = method_for(state, &method, intent["customer"].as_str())?;
    try_now(state, &intent, &method, params)
}

fn try_now(state: &mut State, intent: &Value, method: &Value, params: &Params) -> Result<Value, ApiError> {
    // `off_session` is a boolean or one of two words, both of which say that nobody is there.
    let off_session = params.str("off_session").is_some_and(|value| value != "false");
    payments::confirm(state, intent["id"].as_str().unwrap_or_default(), method, Attempt { off_session, authenticated: false })
}

fn method_for(state: &mut State, id: &str, customer: Option<&str>) -> Result<Value, ApiError> {
    let method = payment_methods::resolve(state, id)?;
    match method["customer"].as_str() {
        Some(owner) if Some(owner) != customer => {
            let message = "The provided PaymentMethod belongs to another Customer; pass that `customer` as well.";
            Err(ApiError::invalid(message).param("payment_method"))
        }
        _ => Ok(method),
    }
}

/// `GET /v1/payment_intents/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("payment_intent", call.id())
}

/// `GET /v1/payment_intents`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |intent: &Value| list::equal(params, &["customer"], intent) && list::created(params, intent);
    list::page(state, call, "payment_intent", keep)
}

/// `POST /v1/payment_intents/{id}/cancel`
pub fn cancel(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let reason = call.params.one_of("cancellation_reason", &["abandoned", "duplicate", "fraudulent", "requested_by_customer"])?;
    let intent = state.find("payment_intent", call.id())?;
    if intent["status"] == "succeeded" || intent["status"] == "canceled" || intent["_invoice"].is_string() {
        return Err(unexpected(state, &intent, "cancel"));
    }
    Ok(canceled(state, intent, json!(reason)))
}

/// Cancels whatever its state.
pub fn canceled(state: &mut State, mut intent: Value, reason: Value) -> Value {
    intent["status"] = json!("canceled");
    intent["canceled_at"] = json!(state.now());
    intent["cancellation_reason"] = reason;
    intent["next_action"] = Value::Null;
    state.put(intent.clone());
    state.emit("payment_intent.canceled", &intent);
    intent
}

fn unexpected(state: &State, intent: &Value, verb: &str) -> ApiError {
    let status = intent["status"].as_str().unwrap_or_default();
    let message = format!("You cannot {verb} this PaymentIntent because it has a status of {status}.");
    let error = ApiError::invalid(message).code("payment_intent_unexpected_state");
    error.with("payment_intent", super::expand::public(state, intent))
}
