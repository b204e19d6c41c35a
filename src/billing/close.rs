//! Closing periods: an exact cut. Usage is booked under a share lock of its open period row, closing takes the row
//! exclusively; so an event is in a period before its close or in the next one, never between.

use chrono::TimeDelta;
use entity::ids::{AccountId, PeriodId};
use entity::subscription::{AtPeriodEnd, EndReason};
use entity::{Time, account, period, subscription};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    Statement, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::credit::expire;
use super::invoice::finalize::FinalizeInvoice;
use super::subscription::{Terms, begin_in, end_in, open_period_in, to_the_microsecond};
use crate::platform::queue::{self, Job};

/// Closes what is due, of every account.
#[derive(Debug, Serialize, Deserialize)]
pub struct CloseDue {}

impl Job for CloseDue {
    const KIND: &'static str = "billing.close_due";
}

/// Closes every period of the account whose end has passed in the account's own time, oldest first, opens the next of each
/// and enqueues its invoice. Returns how many were closed.
///
/// # Errors
/// When the database refuses; what was closed before stays closed.
pub async fn close_due(db: &DatabaseConnection, account: AccountId, wall_now: Time) -> Result<usize, DbErr> {
    let mut closed = 0;
    loop {
        // In the order of time: credit whose end lies in a period is lost before that period is invoiced.
        expire::expire_before_close(db, account, wall_now).await?;
        if close_one(db, account, wall_now).await?.is_none() {
            break;
        }
        closed += 1;
    }
    Ok(closed)
}

async fn close_one(db: &DatabaseConnection, id: AccountId, wall_now: Time) -> Result<Option<PeriodId>, DbErr> {
    let txn = db.begin().await?;
    // Race: calls that book usage into this period, and a second closer. Both wait here or made us wait; who comes second
    // reads the state again, as Postgres checks the condition once more after the lock.
    let open = period::Entity::of(id).filter(period::Column::State.eq(period::State::Open)).lock_exclusive().one(&txn).await?;
    let (Some(open), Some(account)) = (open, account::Entity::find_by_id(id).one(&txn).await?) else { return Ok(None) };
    if account.now(wall_now) < open.ends_at {
        return Ok(None);
    }
    let Some(subscription) = subscription::Entity::of(id).filter(subscription::Column::Id.eq(open.subscription_id)).one(&txn).await? else {
        return Err(DbErr::RecordNotFound(format!("subscription of period {}", open.id)));
    };
    close_in(&txn, &open, open.ends_at, wall_now).await?;
    follow_in(&txn, &account, &subscription, open.ends_at).await?;
    txn.commit().await?;
    Ok(Some(open.id))
}

async fn close_in(txn: &impl ConnectionTrait, open: &period::Model, at: Time, wall_now: Time) -> Result<(), DbErr> {
    let closing = period::ActiveModel { id: Set(open.id), ends_at: Set(at), state: Set(period::State::Closed), ..Default::default() };
    period::Entity::update(closing).exec(txn).await?;
    let invoice = FinalizeInvoice { account: open.account_id, period: open.id };
    queue::enqueue_in(txn, &invoice, Some(open.id.to_string()), wall_now).await
}

/// What comes after a period that ended: the next one, unless the customer wished otherwise.
async fn follow_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    subscription: &subscription::Model,
    at: Time,
) -> Result<(), DbErr> {
    match (subscription.at_period_end, subscription.next_plan_version_id) {
        (None, _) => {
            open_period_in(txn, subscription, at).await?;
        }
        (Some(AtPeriodEnd::Cancel), _) => end_in(txn, subscription, EndReason::Canceled, at).await?,
        (Some(AtPeriodEnd::Pause), _) => end_in(txn, subscription, EndReason::Paused, at).await?,
        (Some(AtPeriodEnd::Change), next) => {
            end_in(txn, subscription, EndReason::Changed, at).await?;
            // A CHECK keeps the plan beside the wish for it.
            begin_in(txn, account, next.unwrap_or(subscription.plan_version_id), Terms::of(subscription), at).await?;
        }
    }
    Ok(())
}

/// Ends the open period of an account now, before its time, and enqueues its invoice. Returns the instant of the cut, in the
/// account's own time. The caller says what follows.
///
/// # Errors
/// When no period is open, or the database refuses.
pub(super) async fn cut_in(txn: &impl ConnectionTrait, account: &account::Model, wall_now: Time) -> Result<Time, DbErr> {
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).lock_exclusive().one(txn).await?;
    let open = open.ok_or_else(|| DbErr::RecordNotFound(format!("open period of {}", account.id)))?;
    let at = cut_at(&open, account.now(wall_now));
    close_in(txn, &open, at, wall_now).await?;
    Ok(at)
}

/// When a period would be cut: now, and never so that nothing is left of it.
pub(super) fn cut_at(open: &period::Model, now: Time) -> Time {
    to_the_microsecond(now).clamp(open.starts_at + TimeDelta::microseconds(1), open.ends_at)
}

/// Runs [`CloseDue`]. An account that cannot be closed now does not hold up the others; the next run finds it again.
///
/// # Errors
/// When the accounts cannot be read.
pub async fn close_all_due(db: &DatabaseConnection, wall_now: Time) -> Result<usize, DbErr> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT p.account_id FROM period p JOIN account a ON a.id = p.account_id
         WHERE p.state = 'open' AND p.ends_at <= $1 + make_interval(secs => a.clock_offset_seconds)
         ORDER BY p.ends_at",
        [wall_now.into()],
    );
    let mut closed = 0;
    for row in db.query_all_raw(statement).await? {
        let account = AccountId(row.try_get::<Uuid>("", "account_id")?);
        match close_due(db, account, wall_now).await {
            Ok(more) => closed += more,
            Err(error) => tracing::error!(billing.account = %account, %error, "a period of {account} could not be closed: {error}"),
        }
    }
    Ok(closed)
}

/// The period that usage belongs to now: the open one, after closing what is due. `None` before the account subscribed.
///
/// # Errors
/// When the database refuses.
pub async fn open_period(db: &DatabaseConnection, account: &account::Model, wall_now: Time) -> Result<Option<period::Model>, DbErr> {
    let open = || period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db);
    match open().await? {
        Some(period) if period.ends_at <= account.now(wall_now) => {
            close_due(db, account.id, wall_now).await?;
            open().await
        }
        found => Ok(found),
    }
}
