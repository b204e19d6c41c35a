//! Background work that gave up and waits for an operator.

use chrono::{DateTime, Utc};
use entity::ids::QueueJobId;
use entity::queue_job;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::accounts::ListObject;
use super::gate::Operator;
use crate::app::App;
use crate::platform::queue;
use crate::web::json::problem::{Code, Problem};

pub struct QueueApi;

/// Parked jobs, newest first.
#[derive(Debug, Object)]
pub struct ParkedList {
    /// Always `list`.
    pub object: ListObject,
    /// All of them.
    pub data: Vec<ParkedJob>,
    /// Always false: the list is whole.
    pub has_more: bool,
}

/// A job that gave up.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ParkedJob {
    /// `qjob_…`
    pub id: String,
    /// What it does.
    pub kind: String,
    /// On what.
    pub payload: Any<serde_json::Value>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed the last time.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
}

/// A job that will run again.
#[derive(Debug, Object)]
pub struct Retried {
    /// `qjob_…`
    pub id: String,
    /// Always `ready`.
    pub state: String,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Queue")]
impl QueueApi {
    /// List parked jobs
    ///
    /// Jobs that failed for good, newest first.
    #[oai(path = "/queue/parked", method = "get", operation_id = "listParkedJobs")]
    async fn parked(&self, _operator: Operator, app: Data<&App>) -> Result<Json<ParkedList>, Problem> {
        let shown = |row: queue_job::Model| ParkedJob {
            id: row.id.to_string(),
            kind: row.kind,
            payload: Any(row.payload),
            attempts: row.attempts,
            last_error: row.last_error,
            created_at: row.created_at,
        };
        let data = queue::parked(&app.db).await?.into_iter().map(shown).collect();
        Ok(Json(ParkedList { object: ListObject::List, data, has_more: false }))
    }

    /// Retry a parked job
    ///
    /// It runs again from its first attempt.
    #[oai(path = "/queue/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /** `qjob_…` */
        id: Path<String>,
    ) -> Result<Json<Retried>, Problem> {
        let unknown = || Problem::new(Code::NotFound, "There is no such parked job. `GET /admin/v1/queue/parked` lists them.");
        let job: QueueJobId = id.parse().map_err(|_| unknown())?;
        if !queue::unpark(&app.db, job, app.clock.now()).await? {
            return Err(unknown());
        }
        Ok(Json(Retried { id: job.to_string(), state: "ready".to_owned() }))
    }
}
