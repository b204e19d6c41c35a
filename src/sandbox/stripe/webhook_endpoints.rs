//! Webhook endpoints that the API registers: each has a secret of its own, told once, and the types of events that it wants.

use serde_json::{Value, json};

use super::{
    API_VERSION, ApiError, Call, list,
    params::Params,
    store::{State, new_id},
};

/// Parameters of create.
pub const WORDS: &str = "url enabled_events api_version connect description metadata expand";
/// Parameters of update.
pub const UPDATE_WORDS: &str = "url enabled_events disabled description metadata expand";

/// `POST /v1/webhook_endpoints`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    params.need("url")?;
    if !params.has("enabled_events") {
        return Err(params.absent("enabled_events"));
    }
    let version = params.str("api_version");
    if version.is_some_and(|version| version != API_VERSION) {
        return Err(ApiError::invalid(format!("The sandbox renders events in {API_VERSION} only.")).param("api_version"));
    }
    let secret = new_id("whsec");
    let mut endpoint = json!({
        "id": new_id("we"), "object": "webhook_endpoint", "api_version": version, "application": null, "created": state.now(),
        "description": null, "enabled_events": [], "livemode": false, "metadata": {}, "status": "enabled", "url": "", "_secret": secret,
    });
    apply(&mut endpoint, params)?;
    state.put(endpoint.clone());
    endpoint["secret"] = json!(secret);
    Ok(endpoint)
}

/// `GET /v1/webhook_endpoints/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("webhook_endpoint", call.id())
}

/// `GET /v1/webhook_endpoints`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    list::page(state, call, "webhook_endpoint", |_| true)
}

/// `POST /v1/webhook_endpoints/{id}`
pub fn update(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut endpoint = state.find("webhook_endpoint", call.id())?;
    apply(&mut endpoint, &call.params)?;
    if let Some(disabled) = call.params.bool("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    state.put(endpoint.clone());
    Ok(endpoint)
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub fn delete(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("webhook_endpoint", call.id())?;
    state.remove(call.id());
    Ok(json!({"id": call.id(), "object": "webhook_endpoint", "deleted": true}))
}

/// Whether an endpoint is told of events of this type.
pub fn wants(endpoint: &Value, kind: &str) -> bool {
    let mut types = endpoint["enabled_events"].as_array().into_iter().flatten();
    endpoint["status"] == "enabled" && types.any(|wanted| wanted == "*" || wanted == kind)
}

fn apply(endpoint: &mut Value, params: &Params) -> Result<(), ApiError> {
    if let Some(url) = params.str("url") {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ApiError::invalid("Invalid URL: An explicit scheme (such as https) must be provided.").param("url"));
        }
        endpoint["url"] = json!(url);
    }
    if let Some(types) = params.raw()["enabled_events"].as_array() {
        endpoint["enabled_events"] = json!(types);
    }
    if params.has("description") {
        endpoint["description"] = params.text("description");
    }
    endpoint["metadata"] = params.metadata_over(&endpoint["metadata"]);
    Ok(())
}
