//! A billing period of an account, [starts_at, ends_at).

use sea_orm::entity::prelude::*;

use crate::{
    Time,
    ids::{AccountId, PeriodId, SubscriptionId},
};

/// Whether usage may still be booked into the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// Usage goes here.
    #[sea_orm(string_value = "open")]
    Open,
    /// Cut: its invoice can be built.
    #[sea_orm(string_value = "closed")]
    Closed,
}

impl State {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A billing period of an account, [starts_at, ends_at).
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "period")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PeriodId,
    pub account_id: AccountId,
    pub subscription_id: SubscriptionId,
    pub starts_at: Time,
    pub ends_at: Time,
    pub state: State,
    /// The whole billing cycle that the period is a part of.
    pub cycle_starts_at: Time,
    /// Excluded.
    pub cycle_ends_at: Time,
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
