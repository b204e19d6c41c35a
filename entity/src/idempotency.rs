//! The stored answer of a call that carried an `Idempotency-Key`.

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, EventId},
};

/// The stored answer of a call that carried an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub route: String,
    pub fingerprint: Vec<u8>,
    /// None of a key that stands for a job.
    pub event_id: Option<EventId>,
    pub answer: Vec<u8>,
    pub created_at: Time,
    pub expires_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
