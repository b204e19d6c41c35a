//! An API key: found by its public id, proved by the hash of its secret.

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
}

impl Model {
    /// Names of the scopes the key has.
    pub fn scope_names(&self) -> Vec<String> {
        serde_json::from_value(self.scopes.clone()).unwrap_or_default()
    }
}
