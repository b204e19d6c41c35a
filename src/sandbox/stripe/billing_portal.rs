//! Billing portal sessions: a hosted page where a customer keeps cards and sees invoices.

use serde_json::{Value, json};

use super::{
    ApiError, Call, customers,
    payment_methods::{self, NewCard},
    setup_intents,
    store::{State, new_id},
};

/// Parameters of create.
pub const WORDS: &str = "customer configuration flow_data{type after_completion} locale return_url expand";

/// `POST /v1/billing_portal/sessions`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let customer = params.need("customer")?;
    customers::alive(state, customer)?;
    let flow = params.at("flow_data");
    let flow = flow.str("type").map(|kind| {
        json!({"type": kind, "after_completion": {"type": "portal_homepage", "hosted_confirmation": null, "redirect": null},
               "subscription_cancel": null, "subscription_update": null, "subscription_update_confirm": null})
    });
    let session = json!({
        "id": new_id("bps"), "object": "billing_portal.session", "configuration": "bpc_1LensmeterSandbox", "created": state.now(),
        "customer": customer, "customer_account": null, "flow": flow, "livemode": false, "locale": params.text("locale"),
        "on_behalf_of": null, "return_url": params.text("return_url"), "url": "",
    });
    state.put(session.clone());
    Ok(session)
}

/// The customer adds a card on the portal page: saved, and the default from now on. `Some` is an intent that waits for 3-D Secure.
pub fn add_card(state: &mut State, id: &str, card: &NewCard) -> Result<Option<String>, ApiError> {
    state.by_hand();
    let session = state.find("billing_portal.session", id)?;
    let method = payment_methods::create_from_card(state, card);
    let mut intent = setup_intents::open(state, &session["customer"], &json!({}), None);
    intent["_portal"] = json!(id);
    state.put(intent.clone());
    let intent = setup_intents::confirm(state, intent["id"].as_str().unwrap_or_default(), &method, false)?;
    let waits = intent["status"] == "requires_action";
    Ok(intent["id"].as_str().filter(|_| waits).map(str::to_owned))
}
