//! API keys: what they are, who makes and changes them, and whether one opens. The format is in `text.rs`, the checking in
//! `check.rs`.

mod change;
mod check;
mod create;
mod listen;
mod rotate;
mod text;
mod tries;
mod within;

use std::net::IpAddr;

use entity::account;
use entity::api_key;
use entity::ids::{AccountId, KeyId};
use ipnet::IpNet;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use change::{ChangeKeyError, Changes, change_in};
pub use check::{KeyError, Keys};
pub use create::{CreateKeyError, create_in};
pub use rotate::{MAX_OVERLAP, former, rotate_in};
pub use within::check_within;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Call the models.
    Infer,
    /// Read usage.
    Usage,
    /// Make and revoke keys.
    Keys,
    /// Read the account, its balance and its documents.
    Billing,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Infer, Self::Usage, Self::Keys, Self::Billing];

    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Usage => "usage",
            Self::Keys => "keys",
            Self::Billing => "billing",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// Who calls: a key and its account, as they were less than a second ago.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key: api_key::Model,
    pub account: account::Model,
    scopes: Vec<String>,
    models: Option<Vec<String>>,
    networks: Option<Vec<IpNet>>,
}

impl Caller {
    /// A caller for a key and its account.
    pub fn new(key: api_key::Model, account: account::Model) -> Self {
        // What cannot be read as a network lets nobody in.
        let networks = key.network_names().map(|names| names.iter().filter_map(|name| name.parse().ok()).collect());
        Self { scopes: key.scope_names(), models: key.model_names(), networks, key, account }
    }

    /// Whether the key has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|name| name == scope.as_str())
    }

    /// The only models that the key may use; `None`: all of them.
    pub fn models(&self) -> Option<&[String]> {
        self.models.as_deref()
    }

    /// Whether the key may use the model of this name.
    pub fn may_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|name| name == model))
    }

    /// Whether the key may be used from this address. One with a list may not be used from nowhere.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        self.networks
            .as_ref()
            .is_none_or(|networks| address.is_some_and(|address| networks.iter().any(|network| network.contains(&address.to_canonical()))))
    }
}

/// All keys of an account, newest first, revoked ones too.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<api_key::Model>, DbErr> {
    api_key::Entity::of(account).order_by_desc(api_key::Column::Id).all(db).await
}

/// Revokes a key for good; false when the account has no such active key. This process refuses it at once, the others
/// within a second.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(db: &impl ConnectionTrait, keys: &Keys, account: AccountId, id: KeyId, now: entity::Time) -> Result<bool, DbErr> {
    let Some(key) = api_key::Entity::one_of(account, id).one(db).await? else { return Ok(false) };
    let revoked = api_key::Entity::update_many()
        .col_expr(api_key::Column::RevokedAt, Expr::value(now))
        .filter(api_key::Column::Id.eq(id))
        .filter(api_key::Column::AccountId.eq(account))
        .filter(api_key::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    keys.forget(&key.public_id).await;
    Ok(revoked.rows_affected == 1)
}
