//! Making a key.

use entity::account;
use entity::api_key;
use entity::ids::{KeyId, MemberId};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

use super::{Scope, text};
use crate::platform::secret;

/// Keys that an account may have at a time.
const MAX_KEYS: u64 = 100;

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    #[error("Give the key a name of at most 100 characters.")]
    Name,
    #[error("Choose at least one scope.")]
    NoScope,
    #[error("An account has at most 100 active keys: revoke one first.")]
    TooMany,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Makes a key that may use every model, from anywhere, for ever; [`change_in`](super::change_in) in the same transaction
/// narrows it. The second value is the whole key: it is shown once and kept nowhere.
///
/// # Errors
/// See [`CreateKeyError`].
pub async fn create_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    created_by: Option<MemberId>,
    name: &str,
    scopes: &[Scope],
    now: entity::Time,
) -> Result<(api_key::Model, String), CreateKeyError> {
    let name = valid_name(name).ok_or(CreateKeyError::Name)?;
    if scopes.is_empty() {
        return Err(CreateKeyError::NoScope);
    }
    let active = api_key::Entity::of(account.id).filter(api_key::Column::RevokedAt.is_null());
    if active.count(txn).await? >= MAX_KEYS {
        return Err(CreateKeyError::TooMany);
    }
    let public_id = text::new_public_id();
    let whole = text::new_text(account.mode, &public_id);
    let row = api_key::ActiveModel {
        id: Set(KeyId::new()),
        account_id: Set(account.id),
        created_by: Set(created_by),
        name: Set(name.into()),
        public_id: Set(public_id),
        secret_hash: Set(secret::sha256(text::secret_of(&whole))),
        hint: Set(text::hint_of(&whole).into()),
        scopes: Set(names(scopes)),
        models: Set(None),
        allowed_ips: Set(None),
        requests_per_minute: Set(None),
        metadata: Set(serde_json::json!({})),
        created_at: Set(now),
        last_used_at: Set(None),
        expires_at: Set(None),
        revoked_at: Set(None),
    };
    Ok((api_key::Entity::insert(row).exec_with_returning(txn).await?, whole))
}

/// A name without space around it, when it is 1 to 100 characters of text.
pub(super) fn valid_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control);
    fits.then_some(name)
}

/// Scopes as they are stored, each once.
pub(super) fn names(scopes: &[Scope]) -> serde_json::Value {
    Scope::ALL.iter().filter(|scope| scopes.contains(scope)).map(|scope| scope.as_str()).collect::<Vec<_>>().into()
}
