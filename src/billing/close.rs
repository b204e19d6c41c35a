//! Closing periods: an exact cut. Usage is booked under a share lock of its open period row, closing takes the row
//! exclusively; so an event is in a period before its close or in the next one, never between.

use entity::ids::{AccountId, PeriodId};
use entity::{Time, account, period, subscription};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, Statement, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::invoice::finalize::FinalizeInvoice;
use super::subscription::open_period_in;
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
    while close_one(db, account, wall_now).await?.is_some() {
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
    let closing = period::ActiveModel { id: Set(open.id), state: Set(period::State::Closed), ..Default::default() };
    period::Entity::update(closing).exec(&txn).await?;
    open_period_in(&txn, &subscription, open.ends_at).await?;
    queue::enqueue_in(&txn, &FinalizeInvoice { account: id, period: open.id }, Some(open.id.to_string()), wall_now).await?;
    txn.commit().await?;
    Ok(Some(open.id))
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
