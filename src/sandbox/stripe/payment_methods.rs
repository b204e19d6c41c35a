//! Payment methods: cards. Of a number only the last four digits are kept, and the test card's alias, which says how it behaves.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers, list,
    store::{State, new_id},
};
use crate::sandbox::cards::{self, TestCard};

/// Parameters of update.
pub const UPDATE_WORDS: &str = "card{exp_month exp_year} billing_details allow_redisplay metadata expand";
/// Parameters of create.
pub const WORDS: &str = "type card{number exp_month exp_year cvc token} billing_details allow_redisplay metadata expand";

/// A card as a payer typed it.
#[derive(Debug, Clone)]
pub struct NewCard {
    /// Which test card it is.
    pub card: &'static TestCard,
    /// Month, 1 to 12.
    pub exp_month: i64,
    /// Four-digit year.
    pub exp_year: i64,
    /// The holder.
    pub name: Option<String>,
    /// The payer's address for receipts.
    pub email: Option<String>,
}

/// Makes the payment method of a card; it belongs to no customer yet.
pub fn create_from_card(state: &mut State, new: &NewCard) -> Value {
    let number = new.card.number;
    let brand = new.card.brand;
    let method = json!({
        "id": new_id("pm"), "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": billing_details(&json!(new.email), &json!(new.name)),
        "card": {
            "brand": brand, "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
            "country": "US", "display_brand": brand, "exp_month": new.exp_month, "exp_year": new.exp_year,
            "fingerprint": &super::idempotency::digest("card", number, &Value::Null)[..16], "funding": "credit",
            "generated_from": null, "last4": &number[number.len() - 4..],
            "networks": {"available": [brand], "preferred": null}, "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": true}, "wallet": null,
        },
        "created": state.now(), "customer": null, "customer_account": null, "livemode": false, "metadata": {}, "type": "card",
        "_card": new.card.alias, "_authenticated": false,
    });
    state.put(method.clone());
    method
}

/// Who pays, with all members.
pub fn billing_details(email: &Value, name: &Value) -> Value {
    json!({
        "address": {"city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null},
        "email": email, "name": name, "phone": null, "tax_id": null,
    })
}

/// How a kept payment method behaves.
pub fn test_card(method: &Value) -> &'static TestCard {
    method["_card"].as_str().and_then(cards::by_alias).unwrap_or(&cards::CARDS[0])
}

/// `POST /v1/payment_methods`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let card = params.at("card");
    if params.need("type")? != "card" {
        return Err(ApiError::invalid("The sandbox has payment methods of type card only.").param("type"));
    }
    let known = match (card.str("token"), card.str("number")) {
        (Some(token), _) => cards::by_alias(&token.replace("tok_", "pm_card_")),
        (None, number) => cards::by_number(number.ok_or_else(|| card.absent("number"))?),
    };
    let refused = || ApiError::invalid("Only Stripe's test cards are taken here.").code("incorrect_number").param("card[number]");
    let new = NewCard {
        card: known.ok_or_else(refused)?,
        exp_month: card.int("exp_month")?.unwrap_or(12),
        exp_year: card.int("exp_year")?.unwrap_or(2034),
        name: params.at("billing_details").str("name").map(str::to_owned),
        email: params.at("billing_details").str("email").map(str::to_owned),
    };
    let mut method = create_from_card(state, &new);
    method["metadata"] = params.metadata_over(&method["metadata"]);
    state.put(method.clone());
    Ok(method)
}

/// `GET /v1/payment_methods/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("payment_method", call.id())
}

/// `GET /v1/payment_methods?customer=`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let keep = |method: &Value| !method["customer"].is_null() && list::equal(params, &["customer", "type"], method);
    list::page(state, call, "payment_method", keep)
}

/// `GET /v1/customers/{id}/payment_methods`
pub fn of_customer(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    customers::alive(state, call.id())?;
    let params = &call.params;
    let own = state.naming("payment_method", call.id()).filter(|method| method["customer"] == call.id());
    list::cut(call, own.filter(|method| list::equal(params, &["type"], method)).cloned().collect())
}

/// `POST /v1/payment_methods/{id}`: the expiry, the holder, metadata.
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let before = state.find("payment_method", call.id())?;
    let params = &call.params;
    let mut method = before.clone();
    for name in ["exp_month", "exp_year"] {
        if let Some(value) = params.at("card").int(name)? {
            method["card"][name] = json!(value);
        }
    }
    for name in ["email", "name"] {
        if params.at("billing_details").has(name) {
            method["billing_details"][name] = params.at("billing_details").text(name);
        }
    }
    method["metadata"] = params.metadata_over(&method["metadata"]);
    state.put(method.clone());
    state.emit_updated("payment_method.updated", &before, &method);
    Ok(method)
}

/// `POST /v1/payment_methods/{id}/attach`
pub fn attach(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    attach_to(state, call.id(), call.params.need("customer")?)
}

/// `POST /v1/payment_methods/{id}/detach`
pub fn detach(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    detach_method(state, call.id())
}

/// A payment method by its id; `pm_card_…` makes a new one each time, as Stripe does.
pub fn resolve(state: &mut State, id: &str) -> Result<Value, ApiError> {
    if let Some(card) = cards::by_alias(id) {
        return Ok(create_from_card(state, &NewCard { card, exp_month: 12, exp_year: 2034, name: None, email: None }));
    }
    state.find("payment_method", id).map_err(|error| error.param("payment_method"))
}

/// Attaches to a customer; a card that declines at once cannot be attached.
pub fn attach_to(state: &mut State, id: &str, customer: &str) -> Result<Value, ApiError> {
    customers::alive(state, customer)?;
    let mut method = resolve(state, id)?;
    if method["customer"] == customer {
        return Ok(method);
    }
    if !method["customer"].is_null() {
        return Err(ApiError::invalid("The payment method you provided has already been attached to a customer."));
    }
    if let Some(decline) = test_card(&method).on_attach {
        return Err(ApiError::card(&decline));
    }
    method["customer"] = json!(customer);
    state.put(method.clone());
    state.emit("payment_method.attached", &method);
    Ok(method)
}

/// Detaches, for good; a customer whose default it was has none then.
pub fn detach_method(state: &mut State, id: &str) -> Result<Value, ApiError> {
    let before = state.find("payment_method", id)?;
    let Some(owner) = before["customer"].as_str() else {
        return Err(ApiError::invalid("The payment method you provided is not attached to a customer so detachment is impossible."));
    };
    let mut method = before.clone();
    method["customer"] = Value::Null;
    state.put(method.clone());
    state.emit_updated("payment_method.detached", &before, &method);
    let customer = customers::alive(state, owner)?;
    if customer["invoice_settings"]["default_payment_method"] == id {
        let mut without = customer.clone();
        without["invoice_settings"]["default_payment_method"] = Value::Null;
        customers::change(state, &customer, without)?;
    }
    Ok(method)
}

/// Makes it the one that invoices are charged to.
pub fn make_default(state: &mut State, customer: &str, id: &str) -> Result<(), ApiError> {
    let before = customers::alive(state, customer)?;
    if state.find("payment_method", id)?["customer"] != customer {
        return Err(ApiError::missing("payment_method", id));
    }
    let mut after = before.clone();
    after["invoice_settings"]["default_payment_method"] = json!(id);
    customers::change(state, &before, after).map(|_| ())
}
