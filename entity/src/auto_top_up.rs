//! Credit that buys itself when it runs low.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::AccountId,
    money::{Minor, Nanos},
};

/// Credit that buys itself when it runs low.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auto_top_up")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    pub enabled: bool,
    /// Below it credit is bought.
    pub threshold_nanos: Nanos,
    pub amount_minor: Minor,
    /// What is bought at most within 24 hours.
    pub daily_cap_minor: Minor,
    /// Charges that failed since the last that succeeded.
    pub failures: i32,
    /// In the account's own time.
    pub next_try_at: Time,
    pub updated_at: Time,
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
