//! Our own background work, in Postgres: enqueued in the caller's transaction, claimed with SKIP LOCKED, retried with
//! back-off, parked where an operator sees it.

mod runner;

use entity::ids::QueueJobId;
use entity::queue_job::{self, State};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};
use serde::{Serialize, de::DeserializeOwned};

pub use runner::{Failure, Outcome, run_until, work_off, work_off_of};

/// Which workers take a job: what customers enqueue never stands before our own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Mail, invoices, webhooks, sweeps.
    Own,
    /// Work of customers, in numbers of their choosing.
    Customers,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Own, Self::Customers];

    /// The name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Customers => "customers",
        }
    }
}

/// A kind of job: its payload is the type itself.
pub trait Job: Serialize + DeserializeOwned {
    /// Stored with the row; never changed once shipped.
    const KIND: &'static str;
    /// Attempts before the job is parked. With the back-off of [`runner`], twelve are about two days.
    const MAX_ATTEMPTS: i32 = 12;
    /// Who takes it.
    const LANE: Lane = Lane::Own;
}

/// Enqueues a job in the caller's transaction: it exists exactly when the caller's change does.
/// With a `key`, a job of the same kind and key that still waits is this one.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue_in<J: Job>(txn: &impl ConnectionTrait, job: &J, key: Option<String>, run_at: entity::Time) -> Result<(), DbErr> {
    enqueue_ranked_in(txn, job, key, run_at, run_at).await
}

/// The same behind everything in its lane that came before `rank`, which may be later than now: a job that gives way is not
/// a job that waits.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue_ranked_in<J: Job>(
    txn: &impl ConnectionTrait,
    job: &J,
    key: Option<String>,
    run_at: entity::Time,
    rank: entity::Time,
) -> Result<(), DbErr> {
    let payload = serde_json::to_value(job).map_err(|error| DbErr::Custom(format!("payload of {}: {error}", J::KIND)))?;
    queue_job::Entity::insert(queue_job::ActiveModel {
        id: Set(QueueJobId::new()),
        kind: Set(J::KIND.into()),
        key: Set(key),
        payload: Set(payload),
        state: Set(State::Ready),
        lane: Set(J::LANE.as_str().into()),
        rank: Set(rank),
        run_at: Set(run_at),
        attempts: Set(0),
        max_attempts: Set(J::MAX_ATTEMPTS),
        locked_until: Set(None),
        last_error: Set(None),
        created_at: Set(run_at),
    })
    .on_conflict(
        OnConflict::columns([queue_job::Column::Kind, queue_job::Column::Key])
            .target_and_where(queue_job::Column::Key.is_not_null())
            .do_nothing()
            .to_owned(),
    )
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// What a job is about, read from its row.
///
/// # Errors
/// Parked when the row holds something else.
pub fn payload<J: Job>(job: queue_job::Model) -> Result<J, Failure> {
    serde_json::from_value(job.payload).map_err(|error| Failure::Park(format!("payload of {}: {error}", J::KIND)))
}

/// Jobs that gave up, newest first: what an operator looks at.
///
/// # Errors
/// When the database refuses.
pub async fn parked(db: &impl ConnectionTrait) -> Result<Vec<queue_job::Model>, DbErr> {
    use sea_orm::QueryOrder as _;
    queue_job::Entity::find().filter(queue_job::Column::State.eq(State::Parked)).order_by_desc(queue_job::Column::Id).all(db).await
}

/// Lets a parked job run again from its first attempt. False when there is no such parked job.
///
/// # Errors
/// When the database refuses.
pub async fn unpark(db: &impl ConnectionTrait, id: QueueJobId, now: entity::Time) -> Result<bool, DbErr> {
    use sea_orm::sea_query::Expr;
    let changed = queue_job::Entity::update_many()
        .col_expr(queue_job::Column::State, Expr::value("ready"))
        .col_expr(queue_job::Column::Attempts, Expr::value(0))
        .col_expr(queue_job::Column::RunAt, Expr::value(now))
        .filter(queue_job::Column::Id.eq(id))
        .filter(queue_job::Column::State.eq(State::Parked))
        .exec(db)
        .await?;
    Ok(changed.rows_affected == 1)
}
