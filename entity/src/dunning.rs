//! An issued invoice whose charge failed, until it is settled.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, InvoiceId},
};

/// An issued invoice whose charge failed, until it is settled. Times are the account's own.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dunning")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: InvoiceId,
    pub account_id: AccountId,
    /// The first failure.
    pub started_at: Time,
    /// Charges that failed, from 1.
    pub failures: i32,
    /// The last of them that the customer was told of; 0: none yet.
    pub told: i32,
    /// The next retry, or the suspension after the last. `None`: suspended, nothing more comes by itself.
    pub next_at: Option<Time>,
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
