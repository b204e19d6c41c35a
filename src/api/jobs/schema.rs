//! A job as the API shows it.

use chrono::{DateTime, Utc};
use entity::job as rows;
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;

use crate::api::money;
use crate::app::App;
use crate::web::json::problem::Code;

/// What `object` says of a job.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum JobObject {
    /// A job.
    Job,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Processing,
    /// It has its result and was charged.
    Succeeded,
    /// It has an error and was not charged.
    Failed,
    /// It was called off and not charged.
    Canceled,
}

/// An asynchronous inference.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Job {
    /// `job_…`
    pub id: String,
    /// Always `job`.
    pub object: JobObject,
    /// Where it stands; the last three are final.
    pub status: JobStatus,
    /// What is done: `detect`, `classify` or `embed`.
    pub task: String,
    /// The model that was asked for; left out when that is the default of the task.
    pub model: Option<String>,
    /// The most it costs, charged only when it succeeds. What it did cost is in the `usage` of its result.
    pub price: JobPrice,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it began to run, the last time.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it is deleted with its result.
    pub expires_at: Option<DateTime<Utc>>,
    /// When its result was deleted on request.
    pub result_deleted_at: Option<DateTime<Utc>>,
    /// Of a job that succeeded: what the route of its task would have answered. Left out in lists.
    pub result: Option<Any<Value>>,
    /// Of a job that failed: why.
    pub error: Option<JobError>,
}

/// What a job costs at most.
#[derive(Debug, Object)]
pub struct JobPrice {
    /// As a decimal text.
    pub amount: String,
    /// In lower case.
    pub currency: String,
}

/// Why a job failed: what the route of its task would have answered.
#[derive(Debug, Object)]
pub struct JobError {
    /// URL of a page about this kind of problem.
    #[oai(rename = "type")]
    pub kind: String,
    /// The same short sentence for every problem of this kind.
    pub title: String,
    /// The HTTP status of a route that answers so.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// What programs branch on.
    pub code: String,
}

impl From<JobStatus> for rows::Status {
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::Queued => Self::Queued,
            JobStatus::Processing => Self::Processing,
            JobStatus::Succeeded => Self::Succeeded,
            JobStatus::Failed => Self::Failed,
            JobStatus::Canceled => Self::Canceled,
        }
    }
}

impl From<rows::Status> for JobStatus {
    fn from(status: rows::Status) -> Self {
        match status {
            rows::Status::Queued => Self::Queued,
            rows::Status::Processing => Self::Processing,
            rows::Status::Succeeded => Self::Succeeded,
            rows::Status::Failed => Self::Failed,
            rows::Status::Canceled => Self::Canceled,
        }
    }
}

impl Job {
    /// Without its result.
    pub fn of(row: rows::Model, app: &App) -> Self {
        let public_url = &app.config.server.public_url;
        Self {
            id: row.id.to_string(),
            object: JobObject::Job,
            status: row.status.into(),
            task: row.task,
            model: row.model,
            price: JobPrice { amount: money::nanos(row.price_nanos, &row.currency), currency: row.currency },
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            expires_at: row.finished_at.map(|finished| finished + app.jobs.retention),
            result_deleted_at: row.erased_at,
            result: None,
            error: row.error_code.zip(row.error_detail).map(|(code, detail)| JobError::of(&code, detail, public_url)),
        }
    }
}

impl JobError {
    fn of(code: &str, detail: String, public_url: &str) -> Self {
        // Codes are never renamed.
        let about = Code::named(code).unwrap_or(Code::Internal).about();
        Self {
            kind: format!("{public_url}/docs/errors/{}", about.code),
            title: about.title.to_owned(),
            status: about.status.as_u16(),
            detail,
            code: code.to_owned(),
        }
    }
}
