//! Who did what to whom, and why. Append only.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, AuditId},
};

/// Who did what to whom, and why. Append only.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    pub account_id: Option<AccountId>,
    /// `operator`, or a member's id.
    pub actor: String,
    /// Such as `credit.adjust`.
    pub action: String,
    /// What was acted on: the outside form of its id.
    pub subject: String,
    pub reason: String,
    pub detail: Json,
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
