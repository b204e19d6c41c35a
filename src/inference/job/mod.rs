//! A customer's asynchronous inference: submitted, run by a worker, ended once.
//!
//! What keeps the books right is one idempotency key per job, which no request can carry. A call commits its usage under
//! it; whoever ends the job without a charge takes it. The database lets one of the two do so: a job that failed or was
//! canceled is never charged, and one that was charged succeeds, whoever crashes at whatever moment.

mod end;
mod run;
mod submit;
mod sweep;

use bytes::Bytes;
use chrono::TimeDelta;
use entity::ids::{AccountId, JobId};
use entity::job::{self, Status};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};
use serde::{Deserialize, Serialize};

use super::store::{Store, What};
use super::{Encoding, Inference, InferenceError};
use crate::platform::config;
use crate::platform::queue::{self, Lane};
use crate::platform::secret;
use crate::vision::Options;

pub use run::run;
pub use submit::{SubmitError, Submitted, submit};
pub use sweep::sweep;

/// The route of jobs, as metering and idempotency know it.
pub const ROUTE: &str = "/v1/jobs";

/// A job that has not ended after this is given up.
const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// The answer of a call whose job could not be finished is kept this long: so long may everything stand still after a crash.
const KEEP: TimeDelta = TimeDelta::days(30);

/// What jobs need. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub inference: Inference,
    pub store: Store,
    pub limits: config::Jobs,
    /// How long an ended job can be read.
    pub retention: TimeDelta,
}

/// Runs one job of a customer's.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunJob {
    pub job: JobId,
}

impl queue::Job for RunJob {
    const KIND: &'static str = "inference.run";
    /// About an hour and a half of a service that is at its limit.
    const MAX_ATTEMPTS: i32 = 8;
    const LANE: Lane = Lane::Customers;
}

/// What was asked of a job, as its row keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    options: Options,
    encoding: Encoding,
    fresh: bool,
}

/// What a job says of its error: the code that programs branch on, and a sentence. Surfaces know these words.
pub type Explain = fn(InferenceError) -> (&'static str, String);

/// One job of an account's.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &impl ConnectionTrait, account: AccountId, id: JobId) -> Result<Option<job::Model>, DbErr> {
    job::Entity::of(account).filter(job::Column::Id.eq(id)).one(db).await
}

/// The JSON of a job's answer; none before it has succeeded and after its result was deleted.
///
/// # Errors
/// [`InferenceError::Unavailable`] when the store does not answer.
pub async fn result(jobs: &Jobs, job: &job::Model) -> Result<Option<Bytes>, InferenceError> {
    if job.status != Status::Succeeded || job.erased_at.is_some() {
        return Ok(None);
    }
    jobs.store.get(What::Result, job.account_id, job.id).await.map_err(unavailable)
}

/// Calls a job off, or deletes the result of one that has ended. Returns the job as it is then: a job whose call was
/// committed before has succeeded, any other is canceled and never charged. None when the account has no such job.
///
/// # Errors
/// [`InferenceError::Unavailable`] when the database or the store does not answer.
pub async fn cancel(jobs: &Jobs, account: AccountId, id: JobId) -> Result<Option<job::Model>, InferenceError> {
    let db = &jobs.inference.db;
    let Some(job) = find(db, account, id).await.map_err(unavailable)? else { return Ok(None) };
    match job.finished_at {
        None => end::without_charge(jobs, &job, end::Ending::Canceled).await?,
        Some(_) => erase(jobs, &job).await?,
    }
    find(db, account, id).await.map_err(unavailable)
}

async fn erase(jobs: &Jobs, job: &job::Model) -> Result<(), InferenceError> {
    jobs.store.delete(What::Result, job.account_id, job.id).await.map_err(unavailable)?;
    job::Entity::update_many()
        .col_expr(job::Column::ErasedAt, Expr::value(jobs.inference.clock.now()))
        .filter(job::Column::Id.eq(job.id))
        .filter(job::Column::ErasedAt.is_null())
        .exec(&jobs.inference.db)
        .await
        .map_err(unavailable)?;
    Ok(())
}

/// The job's own idempotency key. No header carries a bullet, so no request can take it.
fn key(job: JobId) -> String {
    format!("•{job}")
}

/// A job is always the same request.
fn fingerprint(job: JobId) -> [u8; 32] {
    let mut print = [0; 32];
    print.copy_from_slice(&secret::sha256(job.to_string()));
    print
}

fn unavailable(error: impl std::fmt::Display) -> InferenceError {
    tracing::warn!(%error, "a job cannot be read or written: {error}");
    InferenceError::Unavailable("jobs cannot be read or written now: nothing was charged")
}
