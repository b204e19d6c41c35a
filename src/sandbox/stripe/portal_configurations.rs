//! Configurations of the billing portal. The pages do not follow them; Stripe asks for one, so that they are kept.

use serde_json::{Value, json};

use super::{
    ApiError, Call, list,
    params::Params,
    store::{State, new_id, over},
};

const KIND: &str = "billing_portal.configuration";
/// Parameters of create and update.
pub const WORDS: &str = "active business_profile{headline privacy_policy_url terms_of_service_url} default_return_url features{\
    customer_update{allowed_updates enabled} invoice_history{enabled} payment_method_update{enabled payment_method_configuration} \
    subscription_cancel subscription_update} login_page{enabled} metadata name expand";

/// `POST /v1/billing_portal/configurations`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    if !call.params.has("features") {
        return Err(call.params.absent("features"));
    }
    let configuration = json!({
        "id": new_id("bpc"), "object": KIND, "active": true, "application": null, "business_profile": blank_profile(),
        "created": state.now(), "default_return_url": null, "features": blank_features(), "is_default": false, "livemode": false,
        "login_page": {"enabled": false, "url": null}, "metadata": {}, "name": null, "updated": state.now(),
    });
    apply(state, configuration, &call.params)
}

fn blank_profile() -> Value {
    json!({"headline": null, "privacy_policy_url": null, "terms_of_service_url": null})
}

fn blank_features() -> Value {
    json!({
        "customer_update": {"allowed_updates": [], "enabled": false}, "invoice_history": {"enabled": false},
        "payment_method_update": {"enabled": false, "payment_method_configuration": null},
        "subscription_cancel": {"cancellation_reason": {"enabled": false, "options": []}, "enabled": false, "mode": "at_period_end",
            "proration_behavior": "none"},
        "subscription_update": {"billing_cycle_anchor": null, "default_allowed_updates": [], "enabled": false, "proration_behavior": "none",
            "products": null, "schedule_at_period_end": {"conditions": []}, "trial_update_behavior": "end_trial"},
    })
}

/// `POST /v1/billing_portal/configurations/{id}`
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let configuration = state.find(KIND, call.id())?;
    apply(state, configuration, &call.params)
}

fn apply(state: &mut State, mut configuration: Value, params: &Params) -> Result<Value, ApiError> {
    for feature in ["customer_update", "invoice_history", "payment_method_update"] {
        let sent = params.at("features").at(feature);
        if let Some(enabled) = sent.bool("enabled")? {
            configuration["features"][feature]["enabled"] = json!(enabled);
        }
        if let Some(updates) = sent.raw()["allowed_updates"].as_array() {
            configuration["features"][feature]["allowed_updates"] = json!(updates);
        }
    }
    if params.at("business_profile").raw().is_object() {
        let before = configuration["business_profile"].clone();
        configuration["business_profile"] = over(before, params.at("business_profile").raw().clone());
    }
    for name in ["default_return_url", "name"] {
        if params.has(name) {
            configuration[name] = params.text(name);
        }
    }
    if let Some(active) = params.bool("active")? {
        configuration["active"] = json!(active);
    }
    configuration["metadata"] = params.metadata_over(&configuration["metadata"]);
    configuration["updated"] = json!(state.now());
    state.put(configuration.clone());
    state.emit("billing_portal.configuration.updated", &configuration);
    Ok(configuration)
}

/// `GET /v1/billing_portal/configurations/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find(KIND, call.id())
}

/// `GET /v1/billing_portal/configurations`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    list::page(state, call, KIND, |configuration| list::equal_bool(&call.params, &["active", "is_default"], configuration))
}
