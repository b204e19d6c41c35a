//! A customer company: the unit that is billed.

use sea_orm::entity::prelude::*;

use crate::{Time, ids::AccountId, money};

/// Whether real money moves. Test-mode accounts may have a simulated clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Mode {
    /// Real money.
    #[sea_orm(string_value = "live")]
    Live,
    /// Stripe test mode or the sandbox.
    #[sea_orm(string_value = "test")]
    Test,
}

impl Mode {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// Whether the account may use what it bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Standing {
    /// All is paid.
    #[sea_orm(string_value = "active")]
    Active,
    /// A payment failed; dunning runs.
    #[sea_orm(string_value = "past_due")]
    PastDue,
    /// Refused until paid.
    #[sea_orm(string_value = "suspended")]
    Suspended,
    /// Closed for good.
    #[sea_orm(string_value = "closed")]
    Closed,
}

impl Standing {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

/// A customer company: the unit that is billed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    pub name: String,
    pub currency: String,
    pub mode: Mode,
    pub standing: Standing,
    pub stripe_customer_id: Option<String>,
    pub clock_offset_seconds: i64,
    pub next_invoice_number: i64,
    pub created_at: Time,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The account's own time: the wall clock plus what its simulated clock was advanced by.
    pub fn now(&self, wall: Time) -> Time {
        wall + chrono::TimeDelta::seconds(self.clock_offset_seconds)
    }

    /// Digits behind the point of the account's currency.
    pub fn exponent(&self) -> u32 {
        money::exponent(&self.currency)
    }
}
