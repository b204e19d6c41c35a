//! The line to Stripe, as an operator wants to know it: one row.

use sea_orm::entity::prelude::*;

use crate::Time;

/// The line to Stripe: one row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_state")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub one: bool,
    /// The last webhook that was accepted, to the minute.
    pub webhook_at: Option<Time>,
    /// Webhooks are refused since then, and none was accepted meanwhile.
    pub refused_since: Option<Time>,
    pub refused_at: Option<Time>,
    pub refused_reason: Option<String>,
    /// Events up to there were asked for.
    pub polled_to: Option<Time>,
    /// Stripe has not answered the poll since then.
    pub poll_failed_since: Option<Time>,
    pub poll_error: Option<String>,
    pub compared_at: Option<Time>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
