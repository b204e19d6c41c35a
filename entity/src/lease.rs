//! A slice of a balance that one replica may spend from memory.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{BalanceId, LeaseId},
    money::Nanos,
};

/// A slice of a balance that one replica may spend from memory.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LeaseId,
    pub balance_id: BalanceId,
    pub replica: Uuid,
    pub amount: Nanos,
    pub used: Nanos,
    pub expires_at: Time,
    /// Of the balance when the lease was taken.
    pub epoch: i64,
    /// When another replica asked for what is not in use.
    pub recalled_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
