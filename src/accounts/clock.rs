//! The simulated clock of a test-mode account: moved by the operator from one instant at which something falls due to the next,
//! and everything that does happens there, in its order.

use std::time::Duration;

use chrono::{Months, TimeDelta};
use entity::Time;
use entity::account::{self, Mode};
use entity::ids::AccountId;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, Statement,
    TransactionTrait as _,
};

use super::due;
use crate::billing::jobs::Means;
use crate::platform::clock::Clock;

/// How long a move waits for another one of the same clock, in steps of [`LOOK`].
const LOOKS: usize = 600;
const LOOK: Duration = Duration::from_millis(100);

/// How far the clock moves: calendar months first, then an exact time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advance {
    pub months: u32,
    pub exact: TimeDelta,
}

/// Where the clock stands after a move, and how many periods it closed.
#[derive(Debug)]
pub struct Advanced {
    pub now: Time,
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
    #[error("the clock is being moved, which takes long: wait for that")]
    Busy,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Moves the clock. At every instant on the way at which something falls due it stops until that is done: periods close, their
/// invoices are issued and charged, credit expires, dunning takes its steps, letters are written.
///
/// # Errors
/// See [`ClockError`]. When the database refuses in the middle, the clock stands where it came to; moving on goes on.
pub async fn advance(means: Means<'_>, clock: &Clock, id: AccountId, by: Advance) -> Result<Advanced, ClockError> {
    let db = means.db;
    let turn = turn(db, id).await?;
    let account = account::Entity::find_by_id(id).one(db).await?.ok_or(ClockError::Unknown)?;
    if account.mode != Mode::Test {
        return Err(ClockError::Live);
    }
    let before = account.now(clock.now());
    let target =
        before.checked_add_months(Months::new(by.months)).and_then(|then| then.checked_add_signed(by.exact)).ok_or(ClockError::Range)?;
    if target < before || target - before > TimeDelta::days(3653) {
        return Err(ClockError::Range);
    }
    // What is due already, whatever the clock does.
    let mut closed = due::settle(means, clock, &account).await?;
    let mut last = before;
    while let Some(next) = due::next(db, &account, last, target).await? {
        let moved = set(db, &account, next, clock.now()).await?;
        closed += due::settle(means, clock, &moved).await?;
        last = next;
        // Who holds the turn shows that it is there.
        turn.execute_unprepared("SELECT 1").await?;
    }
    let moved = set(db, &account, target, clock.now()).await?;
    closed += due::settle(means, clock, &moved).await?;
    turn.rollback().await?;
    Ok(Advanced { now: moved.now(clock.now()), closed })
}

/// Two moves of one clock at once add up: the second waits. Nobody waits with a connection in hand.
async fn turn(db: &DatabaseConnection, id: AccountId) -> Result<DatabaseTransaction, ClockError> {
    for _ in 0..LOOKS {
        let txn = db.begin().await?;
        let sql = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held";
        let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, [format!("clock of {id}").into()]);
        if txn.query_one_raw(statement).await?.map(|row| row.try_get::<bool>("", "held")).transpose()? == Some(true) {
            return Ok(txn);
        }
        txn.rollback().await?;
        tokio::time::sleep(LOOK).await;
    }
    Err(ClockError::Busy)
}

/// Lets the account's time be `instant`, and never earlier than it is. Whole seconds, rounded up: the clock is never short of
/// what was asked for.
async fn set(db: &DatabaseConnection, account: &account::Model, instant: Time, wall: Time) -> Result<account::Model, DbErr> {
    let known = account::Entity::find_by_id(account.id).one(db).await?;
    let known = known.ok_or_else(|| DbErr::RecordNotFound(account.id.to_string()))?;
    let offset = (instant - wall + TimeDelta::milliseconds(999)).num_seconds().max(known.clock_offset_seconds);
    account::Entity::update(account::ActiveModel { id: Set(account.id), clock_offset_seconds: Set(offset), ..Default::default() })
        .exec(db)
        .await
}
