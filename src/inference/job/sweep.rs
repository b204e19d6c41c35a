//! What nobody waits for any more: jobs without an end, jobs past their retention, inputs without a job.

use std::collections::HashSet;

use chrono::TimeDelta;
use entity::Time;
use entity::ids::JobId;
use entity::job;
use futures_util::future::try_join_all;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::end::{self, Ending};
use super::{Explain, Jobs, PATIENCE, unavailable};
use crate::inference::InferenceError;
use crate::inference::store::What;

/// Rows looked at together.
const ROWS: u64 = 200;
/// Deletions that are on their way to the store together.
const TOGETHER: usize = 16;
/// An input is stored before its job is written down: it may stand alone this long.
const ALONE: TimeDelta = TimeDelta::hours(1);

/// Runs all of it. Safe to run anywhere, any number of times.
///
/// # Errors
/// When the database or the store does not answer; what was done stays done.
pub async fn sweep(jobs: &Jobs, explain: Explain, now: Time) -> Result<(), InferenceError> {
    give_up(jobs, explain, now).await?;
    delete_old(jobs, now).await?;
    delete_lone_inputs(jobs, now).await
}

/// Fails jobs that have waited too long, for whatever reason.
async fn give_up(jobs: &Jobs, explain: Explain, now: Time) -> Result<(), InferenceError> {
    let overdue = job::Entity::find()
        .filter(job::Column::FinishedAt.is_null())
        .filter(job::Column::CreatedAt.lte(now - PATIENCE))
        .order_by_asc(job::Column::Id)
        .limit(ROWS);
    for job in overdue.all(&jobs.inference.db).await.map_err(unavailable)? {
        end::without_charge(jobs, &job, Ending::failed(explain(InferenceError::Deadline))).await?;
    }
    Ok(())
}

/// Objects first: a row without objects is swept again, objects without a row would be found by nobody.
async fn delete_old(jobs: &Jobs, now: Time) -> Result<(), InferenceError> {
    let db = &jobs.inference.db;
    loop {
        let old = job::Entity::find().filter(job::Column::FinishedAt.lte(now - jobs.retention)).order_by_asc(job::Column::FinishedAt);
        let old = old.limit(ROWS).all(db).await.map_err(unavailable)?;
        for some in old.chunks(TOGETHER) {
            let delete = |what| some.iter().map(move |job| jobs.store.delete(what, job.account_id, job.id));
            try_join_all(delete(What::Result).chain(delete(What::Input))).await.map_err(unavailable)?;
        }
        let ids: Vec<JobId> = old.iter().map(|job| job.id).collect();
        job::Entity::delete_many().filter(job::Column::Id.is_in(ids)).exec(db).await.map_err(unavailable)?;
        if (old.len() as u64) < ROWS {
            return Ok(());
        }
    }
}

/// Inputs of jobs that have ended, or were never written down because a process died in between.
async fn delete_lone_inputs(jobs: &Jobs, now: Time) -> Result<(), InferenceError> {
    let inputs = jobs.store.inputs_before(now - ALONE).await.map_err(unavailable)?;
    for some in inputs.chunks(TOGETHER) {
        let wanted = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(job::Column::Id.is_in(some.iter().map(|(_, job)| *job)))
            .filter(job::Column::FinishedAt.is_null());
        let wanted: Vec<JobId> = wanted.into_tuple().all(&jobs.inference.db).await.map_err(unavailable)?;
        let wanted: HashSet<JobId> = wanted.into_iter().collect();
        let lone = some.iter().filter(|(_, job)| !wanted.contains(job));
        try_join_all(lone.map(|(account, job)| jobs.store.delete(What::Input, *account, *job))).await.map_err(unavailable)?;
    }
    Ok(())
}
