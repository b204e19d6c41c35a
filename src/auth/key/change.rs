//! Changing what a key may do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use entity::api_key;
use entity::ids::{AccountId, KeyId};
use ipnet::IpNet;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait, DbErr, IntoActiveModel as _, QuerySelect as _};

use super::Scope;
use super::create::{names, valid_name};

/// Entries of a list of models or networks.
const MAX_ENTRIES: usize = 100;
/// Notes of a key, and characters of each.
const MAX_NOTES: usize = 20;
const NOTE_NAME: usize = 40;
const NOTE_TEXT: usize = 500;
/// Beyond that a limit limits nothing.
const MAX_PER_MINUTE: u32 = 1_000_000;

/// What is to change: `None` stays as it is. Where a key may be without a limit, `Some(None)` takes it away.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub name: Option<String>,
    pub scopes: Option<Vec<Scope>>,
    /// Names of the only models it may use.
    pub models: Option<Option<Vec<String>>>,
    /// Addresses and networks, in CIDR notation, that it may be used from.
    pub allowed_ips: Option<Option<Vec<String>>>,
    pub expires_at: Option<Option<entity::Time>>,
    pub requests_per_minute: Option<Option<u32>>,
    /// Replaces all of the notes.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Why a key stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeKeyError {
    /// The account has no such key.
    #[error("there is no such key")]
    NotFound,
    /// It is revoked or expired.
    #[error("The key is revoked or expired.")]
    Inactive,
    #[error("The key has as many old secrets as it may have.")]
    TooManySecrets,
    /// A field that cannot be what it is asked to be, and what was expected.
    #[error("{expected}")]
    Invalid { field: &'static str, expected: String },
    /// The key that asks may less than what it asks for.
    #[error("the calling key has a limit of its own on {0}")]
    Beyond(&'static str),
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

impl ChangeKeyError {
    fn invalid(field: &'static str, expected: impl Into<String>) -> Self {
        Self::Invalid { field, expected: expected.into() }
    }
}

/// Changes a key of the account. Every replica knows within a second of the commit.
///
/// # Errors
/// See [`ChangeKeyError`].
pub async fn change_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    id: KeyId,
    changes: Changes,
    now: entity::Time,
) -> Result<api_key::Model, ChangeKeyError> {
    let mut row = lock(txn, account, id, now).await?.into_active_model();
    if let Some(name) = changes.name {
        row.name = Set(valid_name(&name).ok_or_else(|| ChangeKeyError::invalid("name", "expected 1 to 100 characters"))?.into());
    }
    if let Some(scopes) = changes.scopes {
        if scopes.is_empty() {
            return Err(ChangeKeyError::invalid("scopes", "expected at least one scope"));
        }
        row.scopes = Set(names(&scopes));
    }
    if let Some(models) = changes.models {
        row.models = Set(models.map(valid_models).transpose()?);
    }
    if let Some(networks) = changes.allowed_ips {
        row.allowed_ips = Set(networks.map(|networks| valid_networks(&networks)).transpose()?);
    }
    if let Some(end) = changes.expires_at {
        if end.is_some_and(|end| end <= now) {
            return Err(ChangeKeyError::invalid("expires_at", "expected an instant in the future"));
        }
        row.expires_at = Set(end);
    }
    if let Some(pace) = changes.requests_per_minute {
        let fits = pace.is_none_or(|pace| (1..=MAX_PER_MINUTE).contains(&pace));
        let wrong = || ChangeKeyError::invalid("requests_per_minute", format!("expected a whole number from 1 to {MAX_PER_MINUTE}"));
        // It fits 31 bits by its bound.
        row.requests_per_minute = Set(fits.then_some(pace.map(|pace| pace as i32)).ok_or_else(wrong)?);
    }
    if let Some(notes) = changes.metadata {
        row.metadata = Set(valid_notes(&notes)?);
    }
    if row.is_changed() { Ok(row.update(txn).await?) } else { find(txn, account, id).await }
}

/// The key, locked against another change until the transaction ends.
pub(super) async fn lock(
    txn: &impl ConnectionTrait,
    account: AccountId,
    id: KeyId,
    now: entity::Time,
) -> Result<api_key::Model, ChangeKeyError> {
    let found = api_key::Entity::one_of(account, id).lock_exclusive().one(txn).await?;
    let row = found.ok_or(ChangeKeyError::NotFound)?;
    if row.is_active(now) { Ok(row) } else { Err(ChangeKeyError::Inactive) }
}

async fn find(txn: &impl ConnectionTrait, account: AccountId, id: KeyId) -> Result<api_key::Model, ChangeKeyError> {
    let found = api_key::Entity::one_of(account, id).one(txn).await?;
    found.ok_or(ChangeKeyError::NotFound)
}

fn entries<T>(field: &'static str, list: &[T]) -> Result<(), ChangeKeyError> {
    match list.len() {
        1..=MAX_ENTRIES => Ok(()),
        _ => Err(ChangeKeyError::invalid(field, format!("expected 1 to {MAX_ENTRIES} entries; leave it out for no limit"))),
    }
}

fn valid_models(mut models: Vec<String>) -> Result<serde_json::Value, ChangeKeyError> {
    entries("models", &models)?;
    if models.iter().any(|name| name.is_empty() || name.chars().count() > 100) {
        return Err(ChangeKeyError::invalid("models", "expected names of 1 to 100 characters"));
    }
    models.sort_unstable();
    models.dedup();
    Ok(models.into())
}

fn valid_networks(texts: &[String]) -> Result<serde_json::Value, ChangeKeyError> {
    entries("allowed_ips", texts)?;
    let wrong = |text: &str| {
        ChangeKeyError::invalid(
            "allowed_ips",
            format!("expected addresses and networks such as 203.0.113.7 or 2001:db8::/32, found {text:?}"),
        )
    };
    let mut networks = texts.iter().map(|text| network(text).ok_or_else(|| wrong(text))).collect::<Result<Vec<_>, _>>()?;
    networks.sort_unstable();
    networks.dedup();
    Ok(networks.iter().map(ToString::to_string).collect::<Vec<_>>().into())
}

/// A network without bits behind its prefix; an IPv4 address that was written as IPv6 is an IPv4 address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    match network {
        IpNet::V6(mapped) if mapped.prefix_len() >= 96 && mapped.addr().to_ipv4_mapped().is_some() => {
            IpNet::new(mapped.addr().to_canonical(), mapped.prefix_len() - 96).ok()
        }
        other => Some(other),
    }
    .map(|network| network.trunc())
}

fn valid_notes(notes: &BTreeMap<String, String>) -> Result<serde_json::Value, ChangeKeyError> {
    let fits = |(name, text): (&String, &String)| {
        !name.is_empty()
            && name.chars().count() <= NOTE_NAME
            && text.chars().count() <= NOTE_TEXT
            && !format!("{name}{text}").contains('\0')
    };
    if notes.len() > MAX_NOTES || !notes.iter().all(fits) {
        let expected = format!("expected at most {MAX_NOTES} texts of at most {NOTE_TEXT} characters, under names of at most {NOTE_NAME}");
        return Err(ChangeKeyError::invalid("metadata", expected));
    }
    Ok(serde_json::json!(notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_people_write_them() {
        let shown = |text: &str| network(text).map(|network| network.to_string());
        assert_eq!(shown("203.0.113.7").as_deref(), Some("203.0.113.7/32"));
        assert_eq!(shown(" 10.1.2.3/8 ").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(shown("::ffff:203.0.113.7").as_deref(), Some("203.0.113.7/32"));
        assert_eq!(shown("::ffff:10.0.0.0/104").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(shown("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        for nonsense in ["", "10.0.0.0/33", "300.1.1.1", "example.com", "10.0.0", "::/129", "1.2.3.4/-1"] {
            assert_eq!(shown(nonsense), None, "{nonsense}");
        }
    }
}
