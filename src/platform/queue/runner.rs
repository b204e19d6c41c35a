//! Claims jobs, runs them outside any transaction, and writes down how it went.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::queue_job;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, FromQueryResult as _, Statement};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Lane;
use crate::platform::clock::Clock;

/// How long a claim lasts: a worker that dies gives its jobs back after this.
const CLAIM: TimeDelta = TimeDelta::seconds(30);
/// A running job's claim is made to last again this often.
const RENEW: Duration = Duration::from_secs(8);
/// Idle workers look again after this.
const POLL: Duration = Duration::from_millis(200);

/// What a job came to.
pub type Outcome = Result<(), Failure>;

/// Why a job did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// May work later: retried with back-off, then parked.
    #[error("{0}")]
    Retry(String),
    /// Will never work: parked at once.
    #[error("{0}")]
    Park(String),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Works on a lane until `stop`, `concurrency` jobs at a time; on stop, running jobs finish.
pub async fn run_until<F, Fut>(db: DatabaseConnection, clock: Clock, lane: Lane, concurrency: usize, stop: CancellationToken, run: F)
where
    F: Fn(queue_job::Model) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let run = Arc::new(run);
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let claimed = if running.len() < concurrency { claim(&db, &[lane], clock.now()).await } else { Ok(None) };
        match claimed {
            Ok(Some(job)) => {
                let (db, clock, run) = (db.clone(), clock.clone(), run.clone());
                running.spawn(async move { finish(&db, &clock, job, &*run).await });
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the queue cannot be read; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Runs everything that is due now in every lane, one after the other, and returns how many jobs ran. For tests and simulated time.
///
/// # Errors
/// When the database refuses.
pub async fn work_off<F, Fut>(db: &DatabaseConnection, clock: &Clock, run: F) -> Result<usize, DbErr>
where
    F: Fn(queue_job::Model) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let mut count = 0;
    while let Some(job) = claim(db, &Lane::ALL, clock.now()).await? {
        finish(db, clock, job, &run).await;
        count += 1;
    }
    Ok(count)
}

/// Runs what is due now and belongs to `subjects`: ids that the keys of jobs begin with. What another worker has claimed is
/// waited for. Returns how many jobs ran here.
///
/// # Errors
/// When the database refuses.
pub async fn work_off_of<F, Fut>(db: &DatabaseConnection, clock: &Clock, subjects: &[String], run: F) -> Result<usize, DbErr>
where
    F: Fn(queue_job::Model) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let mut count = 0;
    loop {
        while let Some(job) = claim_where(db, "split_part(key, ':', 1) = ANY($3)", subjects.to_vec(), clock.now()).await? {
            finish(db, clock, job, &run).await;
            count += 1;
        }
        // Claims of a worker that died run out, so this ends.
        if !claimed_elsewhere(db, subjects, clock.now()).await? {
            return Ok(count);
        }
        tokio::time::sleep(POLL / 4).await;
    }
}

async fn claimed_elsewhere(db: &DatabaseConnection, subjects: &[String], now: entity::Time) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM queue_job WHERE split_part(key, ':', 1) = ANY($2) AND state = 'ready' AND run_at <= $1 LIMIT 1";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [now.into(), subjects.to_vec().into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}

async fn claim(db: &DatabaseConnection, lanes: &[Lane], now: entity::Time) -> Result<Option<queue_job::Model>, DbErr> {
    let lanes = lanes.iter().map(|lane| lane.as_str().to_owned()).collect();
    claim_where(db, "lane = ANY($3)", lanes, now).await
}

async fn claim_where(
    db: &DatabaseConnection,
    filter: &'static str,
    values: Vec<String>,
    now: entity::Time,
) -> Result<Option<queue_job::Model>, DbErr> {
    let sql = format!(
        "UPDATE queue_job SET locked_until = $2, attempts = attempts + 1
         WHERE id = (SELECT id FROM queue_job
                     WHERE {filter} AND state = 'ready' AND run_at <= $1 AND (locked_until IS NULL OR locked_until <= $1)
                     ORDER BY rank, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING *"
    );
    let values = [now.into(), (now + CLAIM).into(), values.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_one_raw(statement).await?.map(|row| queue_job::Model::from_query_result(&row, "")).transpose()
}

async fn finish<F, Fut>(db: &DatabaseConnection, clock: &Clock, job: queue_job::Model, run: &F)
where
    F: Fn(queue_job::Model) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let (id, kind, attempts, max_attempts) = (job.id, job.kind.clone(), job.attempts, job.max_attempts);
    let written = match keep_claimed(db, clock, id, run(job)).await {
        Ok(()) => queue_job::Entity::delete_by_id(id).exec(db).await.map(|_| ()),
        Err(failure) => {
            let park = matches!(failure, Failure::Park(_)) || attempts >= max_attempts;
            if park {
                tracing::error!(queue.job = %id, queue.kind = kind, error = %failure, "job {kind} is parked: {failure}");
            } else {
                tracing::warn!(queue.job = %id, queue.kind = kind, queue.attempt = attempts, error = %failure, "job {kind} failed and will be retried: {failure}");
            }
            put_back(db, id, clock.now() + backoff(attempts), park, &failure.to_string()).await
        }
    };
    if let Err(error) = written {
        // The claim runs out and the job runs again: jobs are written to bear that.
        tracing::error!(queue.job = %id, queue.kind = kind, %error, "the outcome of a job could not be written");
    }
}

/// Runs a claimed job and renews its claim meanwhile, however long it takes.
async fn keep_claimed(
    db: &DatabaseConnection,
    clock: &Clock,
    id: entity::ids::QueueJobId,
    running: impl Future<Output = Outcome>,
) -> Outcome {
    let mut running = pin!(running);
    loop {
        tokio::select! {
            outcome = &mut running => return outcome,
            () = tokio::time::sleep(RENEW) => {}
        }
        let sql = "UPDATE queue_job SET locked_until = $2 WHERE id = $1";
        let renewal = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.0.into(), (clock.now() + CLAIM).into()]);
        tokio::select! {
            outcome = &mut running => return outcome,
            // Not renewed, it runs twice at worst: jobs are written to bear that.
            renewed = db.execute_raw(renewal) => if let Err(error) = renewed {
                tracing::warn!(queue.job = %id, %error, "the claim of a running job could not be renewed");
            }
        }
    }
}

/// 1 s, 4 s, 16 s … at most 6 hours, so twelve attempts reach over about two days.
fn backoff(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(4i64.pow(attempts.clamp(1, 8) as u32 - 1).min(6 * 3600))
}

async fn put_back(
    db: &DatabaseConnection,
    id: entity::ids::QueueJobId,
    run_at: entity::Time,
    park: bool,
    error: &str,
) -> Result<(), DbErr> {
    let state = if park { "parked" } else { "ready" };
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "UPDATE queue_job SET state = $2, run_at = $3, last_error = $4, locked_until = NULL WHERE id = $1",
        [id.0.into(), state.into(), run_at.into(), error.into()],
    );
    db.execute_raw(statement).await.map(|_| ())
}
