//! Which plan version an account is on, and since when.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, PlanVersionId, SubscriptionId},
};

/// Which plan version an account is on, and since when.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscription")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubscriptionId,
    pub account_id: AccountId,
    pub plan_version_id: PlanVersionId,
    pub started_at: Time,
    pub ended_at: Option<Time>,
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
