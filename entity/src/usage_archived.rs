//! What the events of an archived month come to, by the key of a rollup.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, KeyId, PeriodId, PriceId},
    money::Nanos,
};

/// What the events of an archived month come to, by the key of a rollup.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_archived")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: Date,
    #[sea_orm(primary_key, auto_increment = false)]
    pub period_id: PeriodId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub price_id: PriceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: KeyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: Time,
    pub events: i64,
    pub quantity: i64,
    pub amount_nanos: Nanos,
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
