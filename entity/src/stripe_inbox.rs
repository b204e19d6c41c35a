//! A webhook of Stripe, stored once before anything acts on it.

use sea_orm::entity::prelude::*;

use crate::Time;

/// A webhook of Stripe, stored once before anything acts on it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_inbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    pub kind: String,
    pub object_id: String,
    pub payload: Json,
    pub received_at: Time,
    pub done_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
