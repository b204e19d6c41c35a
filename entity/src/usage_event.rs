//! A metered call. Append only; partitioned by id.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, EventId, KeyId, PeriodId, PriceId, RequestId},
    money::Nanos,
};

/// A metered call. Append only; partitioned by id.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    pub account_id: AccountId,
    pub key_id: KeyId,
    pub period_id: PeriodId,
    pub price_id: PriceId,
    pub task: String,
    pub model: String,
    pub model_version: String,
    pub request_id: RequestId,
    pub quantity: i64,
    pub quantity_before: i64,
    pub amount_nanos: Nanos,
    pub pixels: i64,
    pub compute_us: i64,
    pub at: Time,
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
