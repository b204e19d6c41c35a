//! Lists: newest first, `limit`, `starting_after`, `ending_before`, `has_more`.

use serde_json::{Value, json};

use super::{ApiError, Call, expand, params::Params, store::State};

/// What every list takes, beside its filters.
pub const PAGING: &str = "limit starting_after ending_before expand";

/// One page of `kind`, newest first, of the objects that `keep` keeps.
pub fn page(state: &State, call: &Call, kind: &str, keep: impl Fn(&Value) -> bool) -> Result<Value, ApiError> {
    let all = match ["customer", "invoice", "charge", "payment_intent"].iter().find_map(|name| call.params.str(name)) {
        Some(other) => state.naming(kind, other).filter(|object| keep(object)).cloned().collect(),
        None => state.all(kind).filter(|object| keep(object)).cloned().collect(),
    };
    cut(call, all)
}

/// One page of `all`.
pub fn cut(call: &Call, mut all: Vec<Value>) -> Result<Value, ApiError> {
    let limit = call.params.int("limit")?.unwrap_or(10);
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)) else {
        let message = format!("Invalid limit: {limit}; it is between 1 and 100.");
        return Err(ApiError::invalid(message).param("limit"));
    };
    let position = |name: &str, all: &[Value]| match call.params.str(name) {
        Some(id) => match all.iter().position(|object| object["id"] == id) {
            Some(at) => Ok(Some(at)),
            None => Err(ApiError::missing("object", id).param(name)),
        },
        None => Ok(None),
    };
    let has_more;
    if let Some(at) = position("ending_before", &all)? {
        all.truncate(at);
        has_more = all.len() > limit;
        all.drain(..all.len().saturating_sub(limit));
    } else {
        if let Some(at) = position("starting_after", &all)? {
            all.drain(..=at);
        }
        has_more = all.len() > limit;
        all.truncate(limit);
    }
    Ok(json!({"object": "list", "data": all, "has_more": has_more, "url": call.path}))
}

/// A list inside an object: the first `limit` of `ids`.
pub fn embedded(state: &State, ids: &Value, url: &str, limit: usize) -> Value {
    let ids = ids.as_array().map(Vec::as_slice).unwrap_or_default();
    let objects = ids.iter().filter_map(|id| state.get(id.as_str()?)).map(|object| expand::public(state, object));
    let data: Vec<Value> = objects.take(limit).collect();
    json!({"object": "list", "data": data, "has_more": ids.len() > limit, "url": url, "total_count": ids.len()})
}

/// Filters that are plain equality: each that was sent must match the member of the same name.
pub fn equal(params: &Params, names: &[&str], object: &Value) -> bool {
    names.iter().all(|name| params.str(name).is_none_or(|wanted| object[*name] == wanted))
}

/// The same for booleans.
pub fn equal_bool(params: &Params, names: &[&str], object: &Value) -> bool {
    names.iter().all(|name| params.str(name).is_none_or(|wanted| object[*name].as_bool() == Some(wanted == "true")))
}

/// The filter `created`, a number or `created[gte]` and its like.
pub fn created(params: &Params, object: &Value) -> bool {
    let at = object["created"].as_i64().unwrap_or_default();
    let bounds = params.at("created");
    let within =
        |name: &str, holds: fn(i64, i64) -> bool| bounds.str(name).and_then(|text| text.parse().ok()).is_none_or(|bound| holds(at, bound));
    params.str("created").and_then(|text| text.parse::<i64>().ok()).is_none_or(|exact| exact == at)
        && within("gte", |at, bound| at >= bound)
        && within("gt", |at, bound| at > bound)
        && within("lte", |at, bound| at <= bound)
        && within("lt", |at, bound| at < bound)
}
