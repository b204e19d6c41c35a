//! One transaction for a batch of calls: events, idempotency records, rollups, counters, settlement of leases.

mod at_once;
mod batch;
mod rate;
mod rows;
mod transaction;

use std::sync::Arc;

use chrono::TimeDelta;
use entity::ids::{AccountId, EventId, KeyId, PeriodId, PriceId, RequestId};
use entity::money::{Nanos, Overflow};
use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::limits::Hold;

pub(super) use self::batch::Committer;

/// What a quantity costs, given the quantity that the period had before it: `f(before + quantity) - f(before)`.
pub type Charge = Arc<dyn Fn(i64, i64) -> Result<Nanos, Overflow> + Send + Sync>;

/// A call that was served and is to be metered, when and for whom its hold says.
pub struct Usage {
    pub event: EventId,
    pub price: PriceId,
    pub task: &'static str,
    pub model: String,
    pub model_version: String,
    pub request: RequestId,
    pub quantity: i64,
    pub pixels: i64,
    /// Microseconds of device time: this call's share of its batch.
    pub compute_us: i64,
    pub charge: Charge,
    /// What was reserved for it: at least what it will cost.
    pub hold: Hold,
    pub record: Option<Record>,
}

impl Usage {
    fn account(&self) -> AccountId {
        self.hold.spender().account
    }

    fn key(&self) -> KeyId {
        self.hold.spender().key
    }

    fn period(&self) -> PeriodId {
        self.hold.spender().period
    }

    /// In the account's own time.
    fn at(&self) -> entity::Time {
        self.hold.spender().at
    }
}

/// Builds an answer once its amount is known.
pub type Render = Box<dyn Fn(&Committed) -> Vec<u8> + Send + Sync>;

/// The answer to keep for retries with the same key.
pub struct Record {
    pub key: String,
    pub route: &'static str,
    pub fingerprint: [u8; 32],
    /// Wall time.
    pub now: entity::Time,
    /// How long the answer is kept from then on.
    pub keep: TimeDelta,
    pub render: Render,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub event: EventId,
    /// Units that were charged.
    pub quantity: i64,
    pub amount: Nanos,
    /// Credit that the account has left.
    pub remaining: Nanos,
}

/// Why a call was not metered, and so must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The period was closed since the call was admitted: admit again and commit again.
    #[error("the billing period was closed meanwhile")]
    PeriodClosed,
    /// A lease it was reserved from is void, or ran out: admit again and commit again.
    #[error("the reservation is void")]
    Fenced,
    /// Another call with the same idempotency key was committed first.
    #[error("another call with the same idempotency key was first")]
    Duplicate,
    /// More calls wait for their commit than may: the database is seconds behind.
    #[error("too many calls wait to be recorded")]
    Overloaded,
    /// The database did not take it.
    #[error("the database did not take it")]
    Unavailable,
}

/// Why a transaction was rolled back.
enum Failed {
    /// These calls are out; the others can be tried again without them.
    Calls(Vec<(usize, Rejected)>),
    Database(DbErr),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}
