//! An API key: found by its public id, proved by the hash of its secret.

use std::collections::BTreeMap;

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, KeyId, MemberId},
};

/// An API key: found by its public id, proved by the hash of its secret.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: KeyId,
    pub account_id: AccountId,
    pub created_by: Option<MemberId>,
    pub name: String,
    #[sea_orm(unique)]
    pub public_id: String,
    pub secret_hash: Vec<u8>,
    pub hint: String,
    pub scopes: Json,
    /// Names of models; `None`: every model.
    pub models: Option<Json>,
    /// Networks in CIDR notation; `None`: from anywhere.
    pub allowed_ips: Option<Json>,
    /// Beside the limit of the account's plan.
    pub requests_per_minute: Option<i32>,
    /// The customer's own notes: an object of texts.
    pub metadata: Json,
    pub created_at: Time,
    pub last_used_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account: the only way a tenant's rows are read.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// One key, when it is the account's.
    pub fn one_of(account: AccountId, id: KeyId) -> Select<Self> {
        Self::of(account).filter(Column::Id.eq(id))
    }
}

impl Model {
    /// Names of the scopes the key has.
    pub fn scope_names(&self) -> Vec<String> {
        serde_json::from_value(self.scopes.clone()).unwrap_or_default()
    }

    /// Names of the models the key may use; `None`: all of them.
    pub fn model_names(&self) -> Option<Vec<String>> {
        // A list that cannot be read allows nothing, rather than everything.
        self.models.as_ref().map(|models| serde_json::from_value(models.clone()).unwrap_or_default())
    }

    /// The networks the key may be used from, in CIDR notation; `None`: all of them.
    pub fn network_names(&self) -> Option<Vec<String>> {
        self.allowed_ips.as_ref().map(|networks| serde_json::from_value(networks.clone()).unwrap_or_default())
    }

    /// The customer's own notes.
    pub fn notes(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.metadata.clone()).unwrap_or_default()
    }

    /// True when it opens anything at `now`.
    pub fn is_active(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
