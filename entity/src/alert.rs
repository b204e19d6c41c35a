//! A warning that a customer asked for, told once per crossing.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, PeriodId};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// What is spent in the billing period, in per cent of the budget, or of the cap where there is no budget.
    #[sea_orm(string_value = "spend")]
    Spend,
    /// Credit that is left, in nanos.
    #[sea_orm(string_value = "credit")]
    Credit,
}

/// A warning that a customer asked for, told once per crossing.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alert")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Kind,
    #[sea_orm(primary_key, auto_increment = false)]
    pub threshold: i64,
    /// The period in which it was crossed and told of. `None` again when the amount is back on the other side.
    pub fired_period_id: Option<PeriodId>,
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
