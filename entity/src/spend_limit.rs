//! A limit on spend that a customer set: the account's cap per billing period, a key's budget per day, week or month.

use sea_orm::Select;
use sea_orm::entity::prelude::*;

use crate::{balance::Scope, ids::AccountId, money::Nanos};

/// A limit on spend that a customer set.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spend_limit")]
pub struct Model {
    /// Never `Credit`: that is bought, not set.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: Scope,
    /// The account for a cap, the key for a budget.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope_id: Uuid,
    pub account_id: AccountId,
    pub amount: Nanos,
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
