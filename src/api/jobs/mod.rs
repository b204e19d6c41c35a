//! Inference without waiting: submitted, polled, called off.

mod prefer;
mod schema;

use entity::ids::JobId;
use entity::job as rows;
use poem::web::Data;
use poem::{Body, Request};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::{ColumnTrait as _, QueryFilter as _};

use self::prefer::Preferred;
use self::schema::{Job, JobStatus};
use super::auth::Key;
use super::paging::{Cursor, List};
use super::{Tag, infer};
use crate::app::App;
use crate::auth::key::Scope;
use crate::inference::job::{self, SubmitError};
use crate::web::json::fields::StoredJson;
use crate::web::json::problem::{Code, Problem};

pub use prefer::{applied, prefer, preferred};

/// The route, as metering and idempotency know it.
pub const ROUTE: &str = job::ROUTE;

pub struct JobsApi;

/// A job was taken.
#[derive(ApiResponse)]
pub enum Accepted {
    /// The job, to be asked for again under `Location`.
    #[oai(status = 202)]
    Accepted(
        Json<Job>,
        /// Where the job is.
        #[oai(header = "Location")]
        String,
        /// `true` when an earlier request with the same `Idempotency-Key` submitted the job.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

/// A job.
#[derive(ApiResponse)]
pub enum Shown {
    /// The job as it stands, with its result once it has succeeded.
    #[oai(status = 200)]
    Job(StoredJson<Job>),
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Jobs")]
impl JobsApi {
    /// Submit a job
    ///
    /// Takes the image and the options of the task as its own route does, and answers at once; `task` is `detect` unless it
    /// says otherwise. The credit must cover the price now and is reserved when the job runs: a job that finds none then
    /// fails and costs nothing. Needs the scope `infer`.
    #[oai(path = "/jobs", method = "post", operation_id = "submitJob")]
    async fn submit(&self, key: Key, app: Data<&App>, request: &Request, body: Body) -> Result<Accepted, Problem> {
        let (caller, body) = key.with_body(Scope::Infer, request, body).await?;
        let task = request.extensions().get::<Preferred>().map(|preferred| preferred.0);
        let call = infer::asked(request, body, (task, ROUTE)).await?;
        let taken = job::submit(&app.jobs, caller, call).await.map_err(refused)?;
        let location = format!("{ROUTE}/{}", taken.job.id);
        let replayed = taken.replayed.then(|| "true".to_owned());
        Ok(Accepted::Accepted(Json(Job::of(taken.job, &app)), location, replayed))
    }

    /// List jobs
    ///
    /// Jobs of the account, newest first, without their results. Needs the scope `infer`.
    #[oai(path = "/jobs", method = "get", operation_id = "listJobs")]
    async fn list(
        &self,
        key: Key,
        app: Data<&App>,
        /// How many at most.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")), default = "super::paging::default_limit")]
        limit: Query<u64>,
        /// Continue behind this id.
        after: Query<Option<String>>,
        /// The page in front of this id.
        before: Query<Option<String>>,
        /// Only jobs that stand there.
        status: Query<Option<JobStatus>>,
    ) -> Result<Json<List<Job>>, Problem> {
        let account = &key.with(Scope::Infer)?.account;
        let cursor: Cursor<JobId> = Cursor::read(limit.0, after.0, before.0)?;
        let mut jobs = rows::Entity::of(account.id);
        if let Some(status) = status.0 {
            jobs = jobs.filter(rows::Column::Status.eq(rows::Status::from(status)));
        }
        let found = cursor.rows(&app.db, jobs, rows::Column::Id).await?;
        Ok(Json(List::page(found, &cursor, |row| Job::of(row, &app))))
    }

    /// Show a job
    ///
    /// With its result, once it has succeeded. Needs the scope `infer`.
    #[oai(path = "/jobs/:id", method = "get", operation_id = "getJob")]
    async fn get(
        &self,
        key: Key,
        app: Data<&App>,
        /** `job_…` */
        id: Path<String>,
    ) -> Result<Shown, Problem> {
        let account = &key.with(Scope::Infer)?.account;
        let row = job::find(&app.db, account.id, parse(&id)?).await?.ok_or_else(|| Problem::not_found("job"))?;
        show(row, &app).await
    }

    /// Cancel a job
    ///
    /// A job that waits or runs is canceled and never charged; one whose call was already charged has succeeded and stays so.
    /// Of a job that has ended, the result is deleted before its time. Either way the answer is the job as it stands then,
    /// and asking again changes nothing. Needs the scope `infer`.
    #[oai(path = "/jobs/:id", method = "delete", operation_id = "cancelJob")]
    async fn cancel(
        &self,
        key: Key,
        app: Data<&App>,
        /** `job_…` */
        id: Path<String>,
    ) -> Result<Shown, Problem> {
        let account = &key.with(Scope::Infer)?.account;
        let row = job::cancel(&app.jobs, account.id, parse(&id)?).await?.ok_or_else(|| Problem::not_found("job"))?;
        show(row, &app).await
    }
}

fn parse(id: &str) -> Result<JobId, Problem> {
    id.parse().map_err(|_| Problem::not_found("job"))
}

/// The job with its result spliced in byte by byte: what the synchronous route would have answered, not a copy of it.
async fn show(row: rows::Model, app: &App) -> Result<Shown, Problem> {
    let result = job::result(&app.jobs, &row).await?;
    let mut json = Job::of(row, app).to_json_string();
    if let Some(result) = result {
        json.truncate(json.len() - 1);
        json.push_str(",\"result\":");
        json.push_str(&String::from_utf8_lossy(&result));
        json.push('}');
    }
    Ok(Shown::Job(StoredJson::new(json.into())))
}

fn refused(error: SubmitError) -> Problem {
    match error {
        SubmitError::Refused(error) => error.into(),
        SubmitError::TooMany { limit } => Problem::new(
            Code::TooManyJobs,
            format!(
                "{limit} jobs of the account have not ended yet, which is as many as it may have. {}",
                Code::TooManyJobs.about().advice
            ),
        ),
        SubmitError::Gone => Problem::not_found("job any more"),
    }
}
