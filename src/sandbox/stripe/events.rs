//! Events: each transition is recorded with a snapshot of its object and put into the webhook queue.

use serde_json::{Map, Value, json};

use super::{
    API_VERSION, ApiError, Call, deliveries, expand, list,
    store::{State, new_id},
};

impl State {
    /// Records `kind` (Stripe's type name) about `object` and queues its webhook.
    pub fn emit(&mut self, kind: &str, object: &Value) {
        self.record(kind, object, None);
    }

    /// As [`State::emit`], with `previous_attributes`: what `before` had and `object` has otherwise.
    pub fn emit_updated(&mut self, kind: &str, before: &Value, object: &Value) {
        let before = expand::public(self, before);
        let after = expand::public(self, object);
        let changed = before.as_object().into_iter().flatten().filter(|(name, value)| after[name.as_str()] != **value);
        let previous: Map<String, Value> = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.record(kind, object, Some(Value::Object(previous)));
    }

    fn record(&mut self, kind: &str, object: &Value, previous: Option<Value>) {
        let id = new_id("evt");
        let mut event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now(),
            "data": {"object": expand::public(self, object)},
            "livemode": false, "pending_webhooks": deliveries::receivers(self, kind).len(),
            "request": self.request, "type": kind,
        });
        if let Some(previous) = previous {
            event["data"]["previous_attributes"] = previous;
        }
        self.put(event);
        deliveries::queue(self, &id, kind);
    }
}

/// `GET /v1/events/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find("event", call.id())
}

/// `GET /v1/events`, filtered by `type` (a `*` at the end matches any rest), `types[]` and `created`.
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let params = &call.params;
    let types = params.raw()["types"].as_array().cloned().unwrap_or_default();
    if types.len() > 20 {
        return Err(ApiError::invalid("types: at most 20.").param("types"));
    }
    let matches = |pattern: &str, kind: &str| match pattern.strip_suffix('*') {
        Some(head) => kind.starts_with(head),
        None => pattern == kind,
    };
    list::page(state, call, "event", |event| {
        let kind = event["type"].as_str().unwrap_or_default();
        list::created(params, event)
            && params.str("type").is_none_or(|pattern| matches(pattern, kind))
            && (types.is_empty() || types.iter().any(|pattern| matches(pattern.as_str().unwrap_or_default(), kind)))
            && params.str("delivery_success").is_none_or(|_| event["pending_webhooks"] == 0)
    })
}
