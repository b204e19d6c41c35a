//! What was used: sums, and the single calls behind them.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};
use entity::ids::EventId;
use entity::money::Nanos;
use entity::usage_event;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::paging::{Cursor, List};
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::metering::events::{Events, Which};
use crate::metering::report;
use crate::web::json::problem::{Code, Problem};

pub struct UsageApi;

/// What `object` says of a usage report.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum UsageObject {
    /// A usage report.
    Usage,
}

/// By what usage is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum GroupBy {
    /// A row per day, UTC.
    Day,
    /// A row per model.
    Model,
    /// A row per API key.
    Key,
}

/// Usage in a stretch of time.
#[derive(Debug, Object)]
pub struct Usage {
    /// Always `usage`.
    pub object: UsageObject,
    /// From this instant, inclusive.
    pub from: DateTime<Utc>,
    /// To this instant, exclusive.
    pub to: DateTime<Utc>,
    /// When the sums were read. Every call that was answered before is in them.
    pub as_of: DateTime<Utc>,
    /// By what the rows are summed.
    pub group_by: GroupBy,
    /// Currency of every amount.
    pub currency: String,
    /// The sum of all rows.
    pub total: Sum,
    /// One row per group that was used, in order.
    pub data: Vec<UsageRow>,
}

/// What some calls came to.
#[derive(Debug, Object)]
pub struct Sum {
    /// Calls.
    pub events: i64,
    /// Units that were charged.
    pub quantity: i64,
    /// Their price, exact, as a decimal text.
    pub amount: String,
}

/// What the calls of one group came to.
#[derive(Debug, Object)]
pub struct UsageRow {
    /// A day such as `2026-11-20`, a model, or the id of a key.
    pub group: String,
    /// Calls.
    pub events: i64,
    /// Units that were charged.
    pub quantity: i64,
    /// Their price, exact, as a decimal text.
    pub amount: String,
}

/// What `object` says of a usage event.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum EventObject {
    /// A usage event.
    UsageEvent,
}

/// One metered call.
#[derive(Debug, Object)]
pub struct UsageEvent {
    /// `evt_…`
    pub id: String,
    /// Always `usage_event`.
    pub object: EventObject,
    /// When, in the account's time.
    pub at: DateTime<Utc>,
    /// What was done: `detect`.
    pub task: String,
    /// The model that did it.
    pub model: String,
    /// Its version.
    pub model_version: String,
    /// The key that was used.
    pub key_id: String,
    /// The request, as in its `X-Request-Id`.
    pub request_id: String,
    /// Units that were charged.
    pub quantity: i64,
    /// Their price, exact, as a decimal text.
    pub amount: String,
    /// Currency of `amount`.
    pub currency: String,
    /// Size of the image.
    pub pixels: i64,
    /// Time of the model itself, in milliseconds, as a decimal text.
    pub compute_ms: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Usage")]
impl UsageApi {
    /// Sum up usage
    ///
    /// What was used in a stretch of time, by day, model or key. Needs the scope `usage`.
    #[oai(path = "/usage", method = "get", operation_id = "getUsage")]
    async fn sums(
        &self,
        key: Key,
        app: Data<&App>,
        /// A day or an instant (RFC 3339), cut to the hour. Without it: 31 days before `to`.
        from: Query<Option<String>>,
        /// A day, which is included, or an instant (RFC 3339), filled to the hour. Without it: now.
        to: Query<Option<String>>,
        /// By what to sum.
        #[oai(default = "by_day")]
        group_by: Query<GroupBy>,
    ) -> Result<Json<Usage>, Problem> {
        let account = &key.with(Scope::Usage)?.account;
        let (from, to) = window(from.0.as_deref(), to.0.as_deref(), account.now(app.clock.now()))?;
        let by = match group_by.0 {
            GroupBy::Day => report::GroupBy::Day,
            GroupBy::Model => report::GroupBy::Model,
            GroupBy::Key => report::GroupBy::Key,
        };
        // Taken before the sums: usage is committed before a call is answered.
        let as_of = app.clock.now();
        let groups = report::grouped(&app.db, account.id, from, to, by).await?;
        let currency = &account.currency;
        let total = Sum {
            events: groups.iter().map(|group| group.events).sum(),
            quantity: groups.iter().map(|group| group.quantity).sum(),
            amount: money::nanos(Nanos(groups.iter().map(|group| group.amount.0).sum()), currency),
        };
        let row = |group: report::Group| UsageRow {
            group: group.name,
            events: group.events,
            quantity: group.quantity,
            amount: money::nanos(group.amount, currency),
        };
        let data = groups.into_iter().map(row).collect();
        Ok(Json(Usage { object: UsageObject::Usage, from, to, as_of, group_by: group_by.0, currency: currency.clone(), total, data }))
    }

    /// List usage events
    ///
    /// The metered calls themselves, newest first. Needs the scope `usage`.
    #[oai(path = "/usage/events", method = "get", operation_id = "listUsageEvents")]
    async fn events(
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
    ) -> Result<Json<List<UsageEvent>>, Problem> {
        let account = &key.with(Scope::Usage)?.account;
        let cursor: Cursor<EventId> = Cursor::read(limit.0, after.0, before.0)?;
        let mut events = Events::of(&app.db, &app.archive, account.id, Which::All);
        if cursor.before.is_none() {
            events = events.newest_first();
        }
        let mut rows = events.page(cursor.before.or(cursor.after), cursor.fetch()).await?;
        if cursor.before.is_some() {
            rows.reverse();
        }
        Ok(Json(List::page(rows, &cursor, |row| UsageEvent::of(row, &account.currency))))
    }
}

impl UsageEvent {
    fn of(row: usage_event::Model, currency: &str) -> Self {
        Self {
            id: row.id.to_string(),
            object: EventObject::UsageEvent,
            at: row.at,
            task: row.task,
            model: row.model,
            model_version: row.model_version,
            key_id: row.key_id.to_string(),
            request_id: row.request_id.to_string(),
            quantity: row.quantity,
            amount: money::nanos(row.amount_nanos, currency),
            currency: currency.to_owned(),
            pixels: row.pixels,
            compute_ms: compute_ms(row.compute_us),
        }
    }
}

/// Milliseconds with one digit behind the point, as in the receipt of the call.
pub fn compute_ms(micros: i64) -> String {
    format!("{}.{}", micros / 1000, micros % 1000 / 100)
}

fn by_day() -> GroupBy {
    GroupBy::Day
}

/// The stretch that `from` and `to` name: whole hours, since that is what sums are kept by.
pub fn window(from: Option<&str>, to: Option<&str>, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
    let to = match to {
        None => now,
        Some(text) => instant("to", text, TimeDelta::days(1))?,
    };
    let from = match from {
        None => (to - TimeDelta::days(31)).date_naive().and_time(NaiveTime::MIN).and_utc(),
        Some(text) => instant("from", text, TimeDelta::zero())?,
    };
    let to = if to == floor(to) { to } else { floor(to) + TimeDelta::hours(1) };
    if from >= to {
        return Err(Problem::field(Code::InvalidField, "from", "expected an instant before `to`"));
    }
    Ok((floor(from), to))
}

fn floor(at: DateTime<Utc>) -> DateTime<Utc> {
    let within =
        TimeDelta::minutes(at.minute().into()) + TimeDelta::seconds(at.second().into()) + TimeDelta::nanoseconds(at.nanosecond().into());
    at - within
}

/// A day stands for its start plus `day`.
fn instant(field: &str, text: &str, day: TimeDelta) -> Result<DateTime<Utc>, Problem> {
    if let Ok(date) = text.parse::<NaiveDate>()
        && let Some(at) = date.and_time(NaiveTime::MIN).and_utc().checked_add_signed(day)
    {
        return Ok(at);
    }
    let parsed = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    parsed.map_err(|_| {
        Problem::field(Code::InvalidField, field, "expected a day such as 2026-11-20 or an instant such as 2026-11-20T13:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_hours_and_includes_its_last_day() {
        let now = "2026-11-20T21:37:05Z".parse().unwrap();
        let read = |from, to| window(from, to, now).map(|(from, to)| (from.to_rfc3339(), to.to_rfc3339()));
        let both = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        let close = |a: Result<(String, String), Problem>, b: Result<(String, String), Problem>| assert_eq!(a.ok(), b.ok());
        close(read(None, None), both("2026-10-20T00:00:00+00:00", "2026-11-20T22:00:00+00:00"));
        close(read(Some("2026-11-01"), Some("2026-11-02")), both("2026-11-01T00:00:00+00:00", "2026-11-03T00:00:00+00:00"));
        close(
            read(Some("2026-11-01T10:20:00Z"), Some("2026-11-01T12:00:00Z")),
            both("2026-11-01T10:00:00+00:00", "2026-11-01T12:00:00+00:00"),
        );
        assert!(read(Some("2026-12-01"), None).is_err());
        assert!(read(Some("yesterday"), None).is_err());
    }
}
