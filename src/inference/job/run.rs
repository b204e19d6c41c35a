//! Running a job: the same call as of a route, under the job's own idempotency key, tried again while that may help.

use std::sync::Arc;
use std::time::Duration;

use entity::job::{self, Status};
use entity::{account, api_key};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};

use super::end::{self, Ending};
use super::{Asked, Explain, Jobs, KEEP, ROUTE, RunJob, fingerprint, key, unavailable};
use crate::auth::key::Caller;
use crate::inference::run::{self, Idempotency, ImageSource, InferRequest};
use crate::inference::store::What;
use crate::inference::{Answer, InferenceError};
use crate::platform::queue::{Failure, Job as _, Outcome};

/// One attempt, with fetching and storing: beyond it something hangs.
const LONGEST: Duration = Duration::from_secs(90);
/// How often a running call is asked whether its job was ended meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// Attempts at what may be a bad moment or a bad image: a model that failed, a server that gave no image.
const DOUBTFUL: i32 = 3;

/// Runs [`RunJob`], for the `attempt`-th time.
///
/// # Errors
/// Retried, while another attempt may help; then the job itself has failed, which is no error of the queue's.
pub async fn run(jobs: &Jobs, work: RunJob, attempt: i32, explain: Explain) -> Outcome {
    let db = &jobs.inference.db;
    let Some(job) = begin(jobs, &work).await? else { return Ok(()) };
    if attempt > RunJob::MAX_ATTEMPTS {
        // Every attempt took its worker with it: no one else's jobs are put at risk again.
        return ended(end::without_charge(jobs, &job, Ending::failed(explain(InferenceError::Internal))).await);
    }
    let answered = tokio::select! {
        answered = tokio::time::timeout(LONGEST, call(jobs, &job)) => answered.unwrap_or(Err(InferenceError::Deadline)),
        () = ended_meanwhile(db, &job) => return Ok(()),
    };
    match answered {
        // The key was taken: someone else has ended the job.
        Ok(answer) if answer.body.is_empty() => Ok(()),
        Ok(answer) => ended(end::succeed(jobs, &job, answer.body).await),
        Err(error) if attempt < attempts_for(&error) => {
            let waits = mark(db, &job, Status::Processing, Status::Queued).await?;
            if waits { Err(Failure::Retry(error.to_string())) } else { Ok(()) }
        }
        Err(error) => ended(end::without_charge(jobs, &job, Ending::failed(explain(error))).await),
    }
}

/// The job, marked as running; none when it has ended.
async fn begin(jobs: &Jobs, work: &RunJob) -> Result<Option<job::Model>, DbErr> {
    let now = jobs.inference.clock.now();
    let begun = job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(Status::Processing.as_str()))
        .col_expr(job::Column::StartedAt, Expr::value(now))
        .filter(job::Column::Id.eq(work.job))
        .filter(job::Column::FinishedAt.is_null())
        .exec_with_returning(&jobs.inference.db)
        .await?;
    Ok(begun.into_iter().next())
}

/// Moves a job from one status to another; false when it is not in the first.
async fn mark(db: &DatabaseConnection, job: &job::Model, from: Status, to: Status) -> Result<bool, DbErr> {
    let moved = job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(to.as_str()))
        .filter(job::Column::Id.eq(job.id))
        .filter(job::Column::Status.eq(from))
        .exec(db)
        .await?;
    Ok(moved.rows_affected == 1)
}

async fn call(jobs: &Jobs, job: &job::Model) -> Result<Answer, InferenceError> {
    let caller = caller(&jobs.inference.db, job).await?;
    let image = match &job.image_url {
        Some(url) => ImageSource::Url(url.clone()),
        None => ImageSource::Bytes(input(jobs, job).await?),
    };
    let Asked { options, encoding, fresh } = serde_json::from_value(job.options.clone()).map_err(|error| {
        tracing::error!(%error, job.id = %job.id, "the options of a job cannot be read");
        InferenceError::Internal
    })?;
    let request = InferRequest {
        image,
        model: job.model.clone(),
        options,
        encoding,
        fresh,
        idempotency: Some(Idempotency { key: key(job.id), fingerprint: fingerprint(job.id), keep: KEEP }),
        request_id: job.request_id,
        route: ROUTE,
        promised: Some(job.price_nanos),
    };
    run::infer(&jobs.inference, &caller, request).await
}

/// The key that submitted the job, as it is now: revoking a key stops what it began.
async fn caller(db: &DatabaseConnection, job: &job::Model) -> Result<Arc<Caller>, InferenceError> {
    let key = api_key::Entity::one_of(job.account_id, job.key_id).one(db).await.map_err(unavailable)?;
    let key = key.filter(|key| key.revoked_at.is_none()).ok_or(InferenceError::KeyRevoked)?;
    let account = account::Entity::find_by_id(job.account_id).one(db).await.map_err(unavailable)?;
    let account = account.filter(|account| account.standing != account::Standing::Closed).ok_or(InferenceError::KeyRevoked)?;
    Ok(Arc::new(Caller::new(key, account)))
}

async fn input(jobs: &Jobs, job: &job::Model) -> Result<bytes::Bytes, InferenceError> {
    let found = jobs.store.get(What::Input, job.account_id, job.id).await.map_err(unavailable)?;
    found.ok_or_else(|| {
        tracing::error!(job.id = %job.id, "the input of a job is not in the store");
        InferenceError::Internal
    })
}

/// How often a job is tried that ends like this.
fn attempts_for(error: &InferenceError) -> i32 {
    match error {
        InferenceError::Overloaded { .. }
        | InferenceError::Unavailable(_)
        | InferenceError::Deadline
        | InferenceError::RateLimited { .. }
        | InferenceError::IdempotencyConflict => RunJob::MAX_ATTEMPTS,
        InferenceError::Internal | InferenceError::FetchFailed(_) => DOUBTFUL,
        _ => 1,
    }
}

/// Returns once the job has ended by another hand: the call is then dropped, and with it its place in the model's queue.
async fn ended_meanwhile(db: &DatabaseConnection, job: &job::Model) {
    loop {
        tokio::time::sleep(LOOK).await;
        let running = job::Entity::find_by_id(job.id).filter(job::Column::FinishedAt.is_null()).one(db).await;
        if matches!(running, Ok(None)) {
            return;
        }
    }
}

fn ended(result: Result<(), InferenceError>) -> Outcome {
    result.map_err(|error| Failure::Retry(error.to_string()))
}
