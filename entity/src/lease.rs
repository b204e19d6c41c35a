//! A slice of a balance that one replica may spend from memory.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, LeaseId},
    money::Nanos,
};

/// A slice of a balance that one replica may spend from memory.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LeaseId,
    pub account_id: AccountId,
    pub replica: Uuid,
    pub amount: Nanos,
    pub used: Nanos,
    pub expires_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
