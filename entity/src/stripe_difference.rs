//! Where Stripe's books and ours do not say the same.

use sea_orm::entity::prelude::*;

use crate::Time;

/// Where Stripe's books and ours do not say the same.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_difference")]
pub struct Model {
    /// `invoice`, `refund`, `dispute`, `checkout_session` or `credit_note`.
    pub object: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub object_id: String,
    /// What of it differs.
    #[sea_orm(primary_key, auto_increment = false)]
    pub what: String,
    pub ours: String,
    pub theirs: String,
    pub first_at: Time,
    pub last_at: Time,
    /// A later comparison found them equal.
    pub resolved_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
