//! Taking a job: what can be refused is refused now; then the input is stored, then job and work appear together.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::account::Standing;
use entity::ids::{AccountId, JobId};
use entity::job::{self, Status};
use entity::{Time, idempotency};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Statement,
    TransactionTrait as _,
};

use super::{Asked, Jobs, ROUTE, RunJob, find, unavailable};
use crate::auth::key::Caller;
use crate::billing::allowance::Admission;
use crate::inference::run::{self, Idempotency, ImageSource, InferRequest};
use crate::inference::store::What;
use crate::inference::{Inference, InferenceError};
use crate::metering::idempotency::{Begun, record_in};
use crate::platform::queue;

/// A job that was taken.
pub struct Submitted {
    pub job: job::Model,
    /// True when an earlier request with the same idempotency key submitted it.
    pub replayed: bool,
}

/// Why a job was not taken. Nothing is charged then.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error(transparent)]
    Refused(#[from] InferenceError),
    /// So many jobs of the account have not ended.
    #[error("{limit} jobs of the account have not ended yet, which is as many as it may have")]
    TooMany { limit: u32 },
    /// The job that the idempotency key stands for is past its retention.
    #[error("the job of this Idempotency-Key is gone")]
    Gone,
}

/// Why a job was not written down.
enum NotWritten {
    TooMany,
    /// Another replica wrote the same idempotency key first.
    KeyTaken,
    Database(DbErr),
}

impl From<DbErr> for NotWritten {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Takes a job. The credit is looked at now and reserved when the job runs: one that finds none then fails, free of charge.
///
/// # Errors
/// See [`SubmitError`].
pub async fn submit(jobs: &Jobs, caller: &Arc<Caller>, request: InferRequest) -> Result<Submitted, SubmitError> {
    let Jobs { inference, store, .. } = jobs;
    let account = caller.account.id;
    // Held until the end: a second request with the key waits outside meanwhile.
    let _running = match &request.idempotency {
        None => None,
        Some(key) => {
            let keyed = key.keyed(account, ROUTE, inference.clock.now());
            match inference.metering.idempotency.begin(keyed).await.map_err(InferenceError::from)? {
                Begun::Replay(id) => return replay(inference, account, &id).await,
                Begun::First(running) => Some(running),
            }
        }
    };
    let admission = check(inference, caller, &request).await?;
    let job = row(caller, &request, &admission, inference.clock.now())?;
    if let ImageSource::Bytes(image) = &request.image {
        store.put(What::Input, account, job.id, image.clone()).await.map_err(unavailable)?;
    }
    let refused = match write(jobs, &job, request.idempotency.as_ref()).await {
        Ok(()) => return Ok(Submitted { job, replayed: false }),
        Err(refused) => refused,
    };
    // Left behind by a crash or a store that is away, it is swept later.
    if let Err(error) = store.delete(What::Input, account, job.id).await {
        tracing::warn!(%error, "the input of a refused job stays until it is swept");
    }
    match (refused, &request.idempotency) {
        (NotWritten::KeyTaken, Some(key)) => {
            let keyed = key.keyed(account, ROUTE, inference.clock.now());
            let stored = inference.metering.idempotency.stored(keyed).await.map_err(InferenceError::from)?;
            replay(inference, account, &stored.ok_or(InferenceError::IdempotencyConflict)?).await
        }
        (NotWritten::TooMany, _) => Err(SubmitError::TooMany { limit: jobs.limits.per_account }),
        (NotWritten::KeyTaken, None) => Err(InferenceError::Internal.into()),
        (NotWritten::Database(error), _) => Err(unavailable(error).into()),
    }
}

/// The job that a key stands for, as it is now.
async fn replay(inference: &Inference, account: AccountId, answer: &[u8]) -> Result<Submitted, SubmitError> {
    let id: JobId = std::str::from_utf8(answer).ok().and_then(|text| text.parse().ok()).ok_or(InferenceError::Internal)?;
    let job = find(&inference.db, account, id).await.map_err(unavailable)?.ok_or(SubmitError::Gone)?;
    Ok(Submitted { job, replayed: true })
}

/// What a synchronous call would be refused for before it is decoded.
async fn check(inference: &Inference, caller: &Caller, request: &InferRequest) -> Result<Arc<Admission>, InferenceError> {
    if caller.account.standing == Standing::Suspended {
        return Err(InferenceError::Suspended);
    }
    let route = run::routed(inference, caller, request)?;
    // The hold goes back at once: that it could be had is what is asked.
    let (admission, _) = run::admit(inference, caller, request.options.task(), &route.model().name, None).await?;
    Ok(admission)
}

fn row(caller: &Caller, request: &InferRequest, admission: &Admission, now: Time) -> Result<job::Model, InferenceError> {
    let image_url = match &request.image {
        ImageSource::Bytes(_) => None,
        ImageSource::Url(url) => Some(url.clone()),
    };
    let asked = Asked { options: request.options.clone(), encoding: request.encoding, fresh: request.fresh };
    Ok(job::Model {
        id: JobId::new(),
        account_id: caller.account.id,
        key_id: caller.key.id,
        request_id: request.request_id,
        task: request.options.task().as_str().to_owned(),
        model: request.model.clone(),
        options: serde_json::to_value(asked).map_err(|_| InferenceError::Internal)?,
        image_url,
        status: Status::Queued,
        price_nanos: admission.worst_ever().map_err(|_| InferenceError::Internal)?,
        currency: admission.currency.clone(),
        error_code: None,
        error_detail: None,
        created_at: now,
        started_at: None,
        finished_at: None,
        erased_at: None,
    })
}

async fn write(jobs: &Jobs, job: &job::Model, idempotency: Option<&Idempotency>) -> Result<(), NotWritten> {
    let txn = jobs.inference.db.begin().await?;
    lock_account(&txn, job.account_id).await?;
    let unfinished = job::Entity::of(job.account_id).filter(job::Column::FinishedAt.is_null()).count(&txn).await?;
    if unfinished >= u64::from(jobs.limits.per_account) {
        return Err(NotWritten::TooMany);
    }
    job::Entity::insert(job::ActiveModel::from(job.clone())).exec_without_returning(&txn).await?;
    // An account's n-th job ranks as if it had come n seconds later: another account's first goes before a crowd's rest.
    let rank = job.created_at + TimeDelta::seconds(unfinished.cast_signed());
    queue::enqueue_ranked_in(&txn, &RunJob { job: job.id }, Some(job.id.to_string()), job.created_at, rank).await?;
    if let Some(Idempotency { key, fingerprint, keep }) = idempotency {
        let record = idempotency::Model {
            account_id: job.account_id,
            key: key.clone(),
            route: ROUTE.to_owned(),
            fingerprint: fingerprint.to_vec(),
            event_id: None,
            answer: job.id.to_string().into_bytes(),
            created_at: job.created_at,
            expires_at: job.created_at + *keep,
        };
        if !record_in(&txn, record).await? {
            return Err(NotWritten::KeyTaken);
        }
    }
    txn.commit().await?;
    Ok(())
}

/// One submission of an account at a time: two that come together must not both see one place left.
async fn lock_account(txn: &DatabaseTransaction, id: AccountId) -> Result<(), DbErr> {
    let sql = "SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE";
    txn.execute_raw(Statement::from_sql_and_values(txn.get_database_backend(), sql, [id.0.into()])).await.map(|_| ())
}
