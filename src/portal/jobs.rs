//! `/app/jobs`: asynchronous calls, how far they are, their results; called off or erased here.

use askama::Template;
use chrono::{DateTime, Utc};
use entity::ids::JobId;
use entity::job::{Column, Entity, Model, Status};
use poem::http::header;
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use sea_orm::{ColumnTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use serde::Deserialize;

use super::error::PortalError;
use super::{see_with, show};
use crate::app::App;
use crate::inference::InferenceError;
use crate::inference::job;
use crate::web::form::{Confirmed, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// Jobs of one page.
const SHOWN: u64 = 50;

/// Which jobs are shown.
#[derive(Deserialize)]
struct Wanted {
    /// Only those that stand there; anything else means all.
    #[serde(default)]
    status: String,
    /// Older than this job.
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "portal/jobs.html")]
struct JobsPage {
    shell: Shell,
    jobs: Vec<Row>,
    /// What the list can be narrowed to, and is; empty for all.
    statuses: [&'static str; Status::ALL.len()],
    status: &'static str,
    /// Where the list goes on.
    older: Option<String>,
    /// This is not the newest page.
    is_older: bool,
    retention_days: i64,
}

struct Row {
    id: String,
    submitted: String,
    asked: String,
    /// What it costs, at most while it has not ended; nothing when it came to nothing.
    price: String,
    /// How long it has waited and run, or why it failed.
    says: String,
    status: &'static str,
    /// Class of the badge.
    kind: &'static str,
    /// It can still be called off.
    runs: bool,
    /// Its result is there.
    has_result: bool,
}

/// Shows the list, newest first.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Query(wanted): Query<Wanted>) -> Result<Page<impl Template>, PortalError> {
    let mut found = Entity::of(me.account.id).order_by_desc(Column::Id).limit(SHOWN + 1);
    let status = Status::ALL.into_iter().find(|status| status.as_str() == wanted.status);
    if let Some(status) = status {
        found = found.filter(Column::Status.eq(status));
    }
    let before: Option<JobId> = wanted.before.and_then(|id| id.parse().ok());
    if let Some(before) = before {
        found = found.filter(Column::Id.lt(before));
    }
    let mut found = found.all(&app.db).await?;
    let more = found.len() as u64 > SHOWN;
    found.truncate(SHOWN as usize);
    let now = app.clock.now();
    Ok(Page(JobsPage {
        shell: me.shell,
        older: found.last().filter(|_| more).map(|last| last.id.to_string()),
        jobs: found.iter().map(|job| row(job, now)).collect(),
        statuses: Status::ALL.map(Status::as_str),
        status: status.map_or("", Status::as_str),
        is_older: before.is_some(),
        retention_days: app.jobs.retention.num_days(),
    }))
}

/// The JSON of a result, as a file.
#[handler]
pub async fn result(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Response, PortalError> {
    let id = parse(&id)?;
    let job = job::find(&app.db, me.account.id, id).await?.ok_or(PortalError::NotFound)?;
    let result = job::result(&app.jobs, &job).await.map_err(refused)?.ok_or(PortalError::NotFound)?;
    let disposition = format!("attachment; filename=\"{id}.json\"");
    Ok(Response::builder().content_type("application/json").header(header::CONTENT_DISPOSITION, disposition).body(result))
}

/// Calls a job off, or deletes the result of one that has ended.
#[handler]
pub async fn cancel(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    let job = job::cancel(&app.jobs, me.account.id, parse(&id)?).await.map_err(refused)?.ok_or(PortalError::NotFound)?;
    let said = match (job.status, job.erased_at) {
        (Status::Canceled, _) => "job_canceled",
        (_, Some(_)) => "job_erased",
        // It had ended when the button was pressed: what it found stays until it is deleted.
        (_, None) => "job_ended",
    };
    Ok(see_with(&app, "/app/jobs", said))
}

fn parse(id: &str) -> Result<JobId, PortalError> {
    id.parse().map_err(|_| PortalError::NotFound)
}

fn refused(error: InferenceError) -> PortalError {
    PortalError::internal(format!("jobs cannot be read or written: {error:?}"))
}

fn row(job: &Model, now: DateTime<Utc>) -> Row {
    let (kind, runs) = match job.status {
        Status::Queued => ("", true),
        Status::Processing => ("warn", true),
        Status::Succeeded => ("good", false),
        Status::Failed => ("bad", false),
        Status::Canceled => ("", false),
    };
    let came_to_nothing = matches!(job.status, Status::Failed | Status::Canceled);
    Row {
        id: job.id.to_string(),
        submitted: show::moment(job.created_at),
        asked: job.model.as_ref().map_or_else(|| job.task.clone(), |model| format!("{} · {model}", job.task)),
        price: if came_to_nothing { "–".into() } else { show::nanos(job.price_nanos, &job.currency) },
        says: says(job, now),
        status: job.status.as_str(),
        kind,
        runs,
        has_result: job.status == Status::Succeeded && job.erased_at.is_none(),
    }
}

fn says(job: &Model, now: DateTime<Utc>) -> String {
    let seconds = |from: DateTime<Utc>, to: DateTime<Utc>| format!("{:.1} s", (to - from).num_milliseconds().max(0) as f64 / 1000.);
    match (job.status, job.started_at, job.finished_at) {
        (Status::Queued, ..) => format!("waiting for {}", seconds(job.created_at, now)),
        (Status::Processing, Some(started), _) => format!("running for {}", seconds(started, now)),
        (Status::Failed, ..) => job.error_detail.clone().unwrap_or_default(),
        (Status::Succeeded, _, Some(finished)) if job.erased_at.is_none() => format!("ready after {}", seconds(job.created_at, finished)),
        (Status::Succeeded, ..) => "result deleted".into(),
        _ => String::new(),
    }
}
