//! What was used, durably, before it is answered; and how much more may be. Plain numbers: prices are billing's.

pub mod archive;
mod commit;
pub mod digest;
pub mod events;
pub mod idempotency;
pub mod limits;
pub mod rate;
pub mod report;
pub mod upkeep;
mod writer;

use sea_orm::DatabaseConnection;

pub use commit::{Charge, Committed, Record, Rejected, Usage};
pub use writer::Writer;

/// The parts of metering that a request goes through. Cheap to clone.
#[derive(Clone)]
pub struct Metering {
    /// Slices of balances, spent from memory.
    pub limits: limits::Limits,
    /// Group commit.
    pub writer: Writer,
    /// Calls in flight and stored answers.
    pub idempotency: idempotency::Idempotency,
    /// Calls per minute, at once and under way.
    pub rate: rate::RateLimits,
}

impl Metering {
    /// Starts the writer, the reader of stored answers and the tending of leases; they end with the runtime.
    pub fn start(db: &DatabaseConnection) -> Self {
        let (limits, rate) = (limits::Limits::new(db.clone()), rate::RateLimits::new(db.clone()));
        limits.clone().tend_in_background(rate.clone());
        Self { writer: Writer::start(db), idempotency: idempotency::Idempotency::start(db), rate, limits }
    }
}
