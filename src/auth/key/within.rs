//! A key hands on what it has and no more: otherwise the scope `keys` alone would be every scope, and a limit on a key that
//! manages keys would be no limit.

use ipnet::IpNet;

use super::change::network;
use super::{Caller, ChangeKeyError, Changes, Scope};

/// Refuses changes that would let a key do what the caller may not.
///
/// # Errors
/// [`ChangeKeyError::Beyond`], naming what.
pub fn check_within(caller: &Caller, changes: &Changes) -> Result<(), ChangeKeyError> {
    let within = |what: &'static str, fits: bool| if fits { Ok(()) } else { Err(ChangeKeyError::Beyond(what)) };
    within("scopes", changes.scopes.iter().flatten().all(|scope| caller.may(*scope)))?;
    within("models", changes.models.as_ref().is_none_or(|models| models_fit(caller, models.as_deref())))?;
    within("allowed_ips", changes.allowed_ips.as_ref().is_none_or(|networks| networks_fit(caller, networks.as_deref())))?;
    let (end, pace) = (caller.key.expires_at, caller.key.requests_per_minute);
    within("expires_at", changes.expires_at.is_none_or(|asked| end.is_none_or(|end| asked.is_some_and(|asked| asked <= end))))?;
    let pace_fits = |asked: Option<u32>| pace.is_none_or(|pace| asked.is_some_and(|asked| i64::from(asked) <= i64::from(pace)));
    within("requests_per_minute", changes.requests_per_minute.is_none_or(pace_fits))
}

fn models_fit(caller: &Caller, asked: Option<&[String]>) -> bool {
    match asked {
        None => caller.models().is_none(),
        Some(asked) => asked.iter().all(|model| caller.may_use(model)),
    }
}

fn networks_fit(caller: &Caller, asked: Option<&[String]>) -> bool {
    let Some(own) = &caller.networks else { return true };
    // What cannot be read is refused as such by whoever writes it.
    let inside = |asked: IpNet| own.iter().any(|own| own.contains(&asked));
    asked.is_some_and(|asked| asked.iter().filter_map(|text| network(text)).all(inside))
}

impl Changes {
    /// What would make a key without any limit into `key`: every field is set.
    pub fn whole(key: &entity::api_key::Model) -> Self {
        Self {
            name: Some(key.name.clone()),
            scopes: Some(key.scope_names().iter().filter_map(|name| Scope::parse(name)).collect()),
            models: Some(key.model_names()),
            allowed_ips: Some(key.network_names()),
            expires_at: Some(key.expires_at),
            requests_per_minute: Some(key.requests_per_minute.map(i32::unsigned_abs)),
            metadata: Some(key.notes()),
        }
    }
}
