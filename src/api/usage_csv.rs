//! Usage events as CSV, streamed page by page: an export of a million calls holds a thousand of them in memory.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entity::account;
use entity::ids::{EventId, PeriodId};
use entity::usage_event::{Column, Entity, Model};
use poem::Body;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::auth::Key;
use super::{Tag, money, usage};
use crate::app::App;
use crate::auth::key::Scope;
use crate::web::json::problem::Problem;

pub struct UsageCsvApi;

const HEADER: &str = "event_id,at,task,model,model_version,key_id,request_id,quantity,amount,currency,pixels,compute_ms\r\n";
const PAGE: u64 = 1000;
/// An event's id is made at most so long after the instant that it is booked at.
const SLACK: TimeDelta = TimeDelta::days(1);

/// Which events an export has.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// From the first instant to before the second.
    Between(DateTime<Utc>, DateTime<Utc>),
    /// All of a billing period: what its invoice charges.
    Period(PeriodId),
}

/// A table.
#[derive(ApiResponse)]
pub enum Csv {
    /// One row per metered call, oldest first (RFC 4180, UTF-8).
    #[oai(status = 200, content_type = "text/csv")]
    Table(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

impl Csv {
    /// The events of an account, to be saved under `name`.
    pub fn of(db: &DatabaseConnection, account: &account::Model, which: Which, name: &str) -> Self {
        Self::Table(Binary(rows(db.clone(), account.clone(), which)), format!("attachment; filename=\"{name}\""))
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Usage")]
impl UsageCsvApi {
    /// Export usage events
    ///
    /// One row per metered call, oldest first. Needs the scope `usage`.
    #[oai(path = "/usage.csv", method = "get", operation_id = "exportUsage")]
    async fn export(
        &self,
        key: Key,
        app: Data<&App>,
        /// A day or an instant (RFC 3339). Without it: 31 days before `to`.
        from: Query<Option<String>>,
        /// A day, which is included, or an instant (RFC 3339). Without it: now.
        to: Query<Option<String>>,
    ) -> Result<Csv, Problem> {
        let account = &key.with(Scope::Usage)?.account;
        let (from, to) = usage::window(from.0.as_deref(), to.0.as_deref(), account.now(app.clock.now()))?;
        Ok(Csv::of(&app.db, account, Which::Between(from, to), "usage.csv"))
    }
}

/// Where a stream of pages stands.
enum Next {
    Header,
    Behind(Option<EventId>),
    End,
}

fn rows(db: DatabaseConnection, account: account::Model, which: Which) -> Body {
    let pages = futures_util::stream::try_unfold(Next::Header, move |next| {
        let (db, account) = (db.clone(), account.clone());
        async move {
            match next {
                Next::Header => Ok(Some((HEADER.to_owned(), Next::Behind(None)))),
                Next::Behind(last) => {
                    let page = page(&db, &account, which, last).await.map_err(std::io::Error::other)?;
                    let next = match page.last() {
                        Some(row) if page.len() as u64 == PAGE => Next::Behind(Some(row.id)),
                        _ => Next::End,
                    };
                    Ok(Some((page.iter().map(|row| line(row, &account.currency)).collect::<String>(), next)))
                }
                Next::End => Ok::<_, std::io::Error>(None),
            }
        }
    });
    Body::from_bytes_stream(pages)
}

async fn page(db: &DatabaseConnection, account: &account::Model, which: Which, last: Option<EventId>) -> Result<Vec<Model>, DbErr> {
    let mut query = Entity::of(account.id).order_by_asc(Column::Id).limit(PAGE);
    query = match which {
        Which::Between(from, to) => {
            let query = query.filter(Column::At.gte(from)).filter(Column::At.lt(to));
            // Ids begin with the wall clock's time, so they lead to the partitions and rows in question. An account that
            // has moved its clock is searched whole.
            match account.clock_offset_seconds {
                0 => query.filter(Column::Id.gte(first_id(from, -SLACK))).filter(Column::Id.lte(first_id(to, SLACK))),
                _ => query,
            }
        }
        Which::Period(period) => query.filter(Column::PeriodId.eq(period)),
    };
    if let Some(last) = last {
        query = query.filter(Column::Id.gt(last));
    }
    query.all(db).await
}

/// The first UUIDv7 of an instant and something. They have 48 bits of milliseconds from 1970 on.
fn first_id(at: DateTime<Utc>, shift: TimeDelta) -> EventId {
    let milliseconds = at.timestamp_millis().saturating_add(shift.num_milliseconds()).clamp(0, (1 << 48) - 1);
    EventId(uuid::Uuid::from_u128(u128::from(milliseconds.unsigned_abs()) << 80))
}

/// Ids, names of models and numbers: none of them has a comma, a quote or a formula.
fn line(row: &Model, currency: &str) -> String {
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
        row.id,
        row.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        row.task,
        row.model,
        row.model_version,
        row.key_id,
        row.request_id,
        row.quantity,
        money::nanos(row.amount_nanos, currency),
        currency,
        row.pixels,
        usage::compute_ms(row.compute_us),
    )
}
