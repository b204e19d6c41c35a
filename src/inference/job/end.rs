//! How a job ends, each way once: whoever comes second finds it ended and changes nothing.

use bytes::Bytes;
use entity::idempotency;
use entity::job::{self, Status};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    TransactionTrait as _, sea_query::Expr,
};
use serde_json::json;

use super::{Jobs, KEEP, ROUTE, fingerprint, key, unavailable};
use crate::inference::InferenceError;
use crate::inference::store::What;
use crate::metering::idempotency::{LIFETIME, record_in};
use crate::webhooks::{self, Event};

/// An end that costs nothing.
pub(super) enum Ending {
    Failed { code: &'static str, detail: String },
    Canceled,
}

impl Ending {
    pub fn failed((code, detail): (&'static str, String)) -> Self {
        Self::Failed { code, detail }
    }
}

/// Ends a job without a charge. When its call was committed before, the job has succeeded instead: what was charged was
/// delivered.
pub(super) async fn without_charge(jobs: &Jobs, job: &job::Model, ending: Ending) -> Result<(), InferenceError> {
    match take(jobs, job, ending).await.map_err(unavailable)? {
        None => {}
        Some(answer) => return succeed(jobs, job, answer.into()).await,
    }
    forget_input(jobs, job).await;
    Ok(())
}

/// Takes the job's key, so that no call can be charged under it any more, and ends it. The committed answer, when a call was
/// first.
async fn take(jobs: &Jobs, job: &job::Model, ending: Ending) -> Result<Option<Vec<u8>>, DbErr> {
    let now = jobs.inference.clock.now();
    let txn = jobs.inference.db.begin().await?;
    let locked = job::Entity::find_by_id(job.id).filter(job::Column::FinishedAt.is_null()).lock_exclusive().one(&txn).await?;
    let Some(job) = locked else { return Ok(None) };
    let tombstone = idempotency::Model {
        account_id: job.account_id,
        key: key(job.id),
        route: ROUTE.to_owned(),
        fingerprint: fingerprint(job.id).to_vec(),
        event_id: None,
        answer: Vec::new(),
        created_at: now,
        expires_at: now + KEEP,
    };
    if !record_in(&txn, tombstone).await? {
        let committed = idempotency::Entity::find_by_id((job.account_id, key(job.id))).one(&txn).await?;
        return Ok(committed.map(|record| record.answer));
    }
    let mut change = job::ActiveModel { image_url: Set(None), finished_at: Set(Some(now)), ..job.into() };
    let event = match ending {
        Ending::Canceled => {
            change.status = Set(Status::Canceled);
            Event::JobCanceled
        }
        Ending::Failed { code, detail } => {
            change.status = Set(Status::Failed);
            change.error_code = Set(Some(code.to_owned()));
            change.error_detail = Set(Some(detail));
            Event::JobFailed
        }
    };
    let job = job::Entity::update(change).exec(&txn).await?;
    tell(&txn, &job, event).await?;
    txn.commit().await?;
    Ok(None)
}

/// Ends a job whose call was committed. The result is stored first: a crash between the two repeats both.
pub(super) async fn succeed(jobs: &Jobs, job: &job::Model, answer: Bytes) -> Result<(), InferenceError> {
    jobs.store.put(What::Result, job.account_id, job.id, answer).await.map_err(unavailable)?;
    finish(jobs, job).await.map_err(unavailable)?;
    forget_input(jobs, job).await;
    Ok(())
}

async fn finish(jobs: &Jobs, job: &job::Model) -> Result<(), DbErr> {
    let now = jobs.inference.clock.now();
    let txn = jobs.inference.db.begin().await?;
    let finished = job::Entity::update_many()
        .col_expr(job::Column::Status, Expr::value(Status::Succeeded.as_str()))
        .col_expr(job::Column::FinishedAt, Expr::value(now))
        .col_expr(job::Column::ImageUrl, Expr::value(Option::<String>::None))
        .filter(job::Column::Id.eq(job.id))
        .filter(job::Column::FinishedAt.is_null())
        .exec_with_returning(&txn)
        .await?;
    let Some(job) = finished.into_iter().next() else { return Ok(()) };
    // From now on the result is in the store; the key alone keeps a worker that was away from charging again.
    idempotency::Entity::update_many()
        .col_expr(idempotency::Column::Answer, Expr::value(Vec::<u8>::new()))
        .col_expr(idempotency::Column::ExpiresAt, Expr::value(now + LIFETIME))
        .filter(idempotency::Column::AccountId.eq(job.account_id))
        .filter(idempotency::Column::Key.eq(key(job.id)))
        .exec(&txn)
        .await?;
    tell(&txn, &job, Event::JobSucceeded).await?;
    txn.commit().await
}

/// Tells the customer's webhooks, in the transaction of the change.
async fn tell(txn: &DatabaseTransaction, job: &job::Model, event: Event) -> Result<(), DbErr> {
    let mut data = json!({
        "id": job.id.to_string(),
        "object": "job",
        "task": job.task,
        "status": job.status.as_str(),
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    });
    if let (Some(code), Some(detail)) = (&job.error_code, &job.error_detail) {
        data["error"] = json!({ "code": code, "detail": detail });
    }
    let now = job.finished_at.unwrap_or(job.created_at);
    webhooks::emit_in(txn, job.account_id, event, data, now).await
}

/// Left behind by a crash or a store that is away, it is swept later.
async fn forget_input(jobs: &Jobs, job: &job::Model) {
    if let Err(error) = jobs.store.delete(What::Input, job.account_id, job.id).await {
        tracing::warn!(%error, job.id = %job.id, "the input of an ended job stays until it is swept");
    }
}
