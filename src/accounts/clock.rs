//! The simulated clock of a test-mode account: moved by the operator, and everything that falls due then happens.

use chrono::{Months, TimeDelta};
use entity::account::{self, Mode};
use entity::ids::AccountId;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _, TransactionTrait as _};

use crate::billing::alert::AlertsDue;
use crate::billing::credit::expire;
use crate::billing::{close, dunning};
use crate::platform::queue;

/// How far the clock moves: calendar months first, then an exact time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advance {
    pub months: u32,
    pub exact: TimeDelta,
}

/// Where the clock stands after a move, and how many periods it closed.
#[derive(Debug)]
pub struct Advanced {
    pub now: entity::Time,
    pub closed: usize,
}

/// Why the clock did not move.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    #[error("there is no such account")]
    Unknown,
    #[error("only a test-mode account has a clock that can be moved")]
    Live,
    #[error("a clock moves forward, by at most ten years at a time")]
    Range,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Moves the clock and closes every period whose end it passed.
///
/// # Errors
/// See [`ClockError`].
pub async fn advance(db: &DatabaseConnection, id: AccountId, by: Advance, wall: entity::Time) -> Result<Advanced, ClockError> {
    let txn = db.begin().await?;
    // Two moves at once add up: the row is locked before it is read.
    let account = account::Entity::find_by_id(id).lock_exclusive().one(&txn).await?.ok_or(ClockError::Unknown)?;
    if account.mode != Mode::Test {
        return Err(ClockError::Live);
    }
    let before = account.now(wall);
    let after =
        before.checked_add_months(Months::new(by.months)).and_then(|then| then.checked_add_signed(by.exact)).ok_or(ClockError::Range)?;
    if after < before || after - before > TimeDelta::days(3653) {
        return Err(ClockError::Range);
    }
    // Whole seconds, rounded up: the clock is never short of what was asked for.
    let offset = account.clock_offset_seconds + (after - before + TimeDelta::milliseconds(999)).num_seconds();
    account::Entity::update(account::ActiveModel { id: Set(id), clock_offset_seconds: Set(offset), ..Default::default() })
        .exec(&txn)
        .await?;
    txn.commit().await?;
    let closed = close::close_due(db, id, wall).await?;
    expire::expire_due(db, id, wall + TimeDelta::seconds(offset)).await?;
    dunning::due(db, wall).await?;
    queue::enqueue_in(db, &AlertsDue {}, Some("periodic".into()), wall).await?;
    Ok(Advanced { now: wall + TimeDelta::seconds(offset), closed })
}
