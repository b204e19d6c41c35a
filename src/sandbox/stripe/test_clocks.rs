//! Test clocks: the objects of a customer that was made with one live in its frozen time.

use serde_json::{Value, json};

use super::{
    ApiError, Call, list,
    store::{State, new_id},
};

const KIND: &str = "test_helpers.test_clock";
/// As Stripe: the clock and its customers go after this many seconds.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

/// `POST /v1/test_helpers/test_clocks`
pub fn create(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let frozen = call.params.need_int("frozen_time")?;
    let clock = json!({
        "id": new_id("clock"), "object": KIND, "created": state.wall(), "deletes_after": state.wall() + KEPT_SECONDS, "frozen_time": frozen,
        "livemode": false, "name": call.params.text("name"), "status": "ready", "status_details": {},
    });
    state.put(clock.clone());
    state.emit("test_helpers.test_clock.created", &clock);
    Ok(clock)
}

/// `GET /v1/test_helpers/test_clocks/{id}`
pub fn get(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    state.find(KIND, call.id())
}

/// `GET /v1/test_helpers/test_clocks`
pub fn list(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    list::page(state, call, KIND, |_| true)
}

/// `POST /v1/test_helpers/test_clocks/{id}/advance`: forward only. The answer says `advancing`, as Stripe's does; it is done by then.
pub fn advance(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut clock = state.find(KIND, call.id())?;
    let target = call.params.need_int("frozen_time")?;
    if target <= clock["frozen_time"].as_i64().unwrap_or(i64::MAX) {
        let message = "The `frozen_time` must be later than the test clock's current time.";
        return Err(ApiError::invalid(message).param("frozen_time"));
    }
    let mut answer = clock.clone();
    answer["status"] = json!("advancing");
    answer["status_details"] = json!({"advancing": {"target_frozen_time": target}});
    state.emit("test_helpers.test_clock.advancing", &answer);
    clock["frozen_time"] = json!(target);
    state.put(clock.clone());
    state.emit("test_helpers.test_clock.ready", &clock);
    Ok(answer)
}

/// `DELETE /v1/test_helpers/test_clocks/{id}`
pub fn delete(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let clock = state.find(KIND, call.id())?;
    state.remove(call.id());
    state.emit("test_helpers.test_clock.deleted", &clock);
    Ok(json!({"id": call.id(), "object": KIND, "deleted": true}))
}

/// The frozen time that holds for a call: of the clock that it names, or of the customer that it, or its object, is about.
pub fn frozen_for(state: &State, call: &Call) -> Option<i64> {
    let object = state.get(call.id()).unwrap_or(&Value::Null);
    let customer = call.params.str("customer").or(object["customer"].as_str()).or(object["id"].as_str());
    let customer = customer.and_then(|id| state.get(id)).unwrap_or(&Value::Null);
    let clock = call.params.str("test_clock").or(customer["test_clock"].as_str())?;
    state.get(clock)?["frozen_time"].as_i64()
}
