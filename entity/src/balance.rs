//! What may still be spent under one limit of an account: the hot row whose CHECK is the guarantee against overspend.

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue::Set, Select};

use crate::{
    Time,
    ids::{AccountId, BalanceId},
    money::Nanos,
};

/// What a limit is on. Declared from the widest to the narrowest: the order in which a call takes from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Scope {
    /// What the account bought or was given.
    #[sea_orm(string_value = "credit")]
    Credit,
    /// What the account allows itself per billing period.
    #[sea_orm(string_value = "period")]
    Period,
    /// What a key may spend per calendar month, UTC.
    #[sea_orm(string_value = "month")]
    Month,
    /// What a key may spend per week from Monday on, UTC.
    #[sea_orm(string_value = "week")]
    Week,
    /// What a key may spend per day, UTC.
    #[sea_orm(string_value = "day")]
    Day,
}

impl Scope {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Period => "period",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
        }
    }
}

/// What may still be spent under one limit of an account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "balance")]
pub struct Model {
    /// Of credit: the account's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BalanceId,
    pub account_id: AccountId,
    pub scope: Scope,
    /// The account for credit, the billing period for a cap, the key for a budget.
    pub scope_id: Uuid,
    /// Start of a budget's day, week or month; the Unix epoch for the others.
    pub window_start: Time,
    pub credits: Nanos,
    pub debits: Nanos,
    pub held: Nanos,
    /// Above zero: what a dispute froze.
    pub floor: Nanos,
    /// Leases of an earlier epoch are void.
    pub epoch: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The credit of an account.
    pub fn credit_of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::Id.eq(BalanceId(account.0)))
    }
}

impl ActiveModel {
    /// An account's credit before anything was granted.
    pub fn no_credit(account: AccountId) -> Self {
        Self {
            id: Set(BalanceId(account.0)),
            account_id: Set(account),
            scope: Set(Scope::Credit),
            scope_id: Set(account.0),
            window_start: Set(Time::UNIX_EPOCH),
            credits: Set(Nanos(0)),
            debits: Set(Nanos(0)),
            held: Set(Nanos(0)),
            floor: Set(Nanos(0)),
            epoch: Set(0),
        }
    }
}

impl Model {
    /// What the customer has left: held slices are still theirs until a call settles.
    pub fn remaining(&self) -> Nanos {
        // Both fit i64 by the row's CHECK, and so does their difference.
        Nanos(self.credits.0 - self.debits.0)
    }

    /// What of it cannot be spent, because its payment is disputed.
    pub fn frozen(&self) -> Nanos {
        Nanos(self.floor.0.max(0))
    }
}
