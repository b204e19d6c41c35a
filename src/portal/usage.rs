//! `/app/usage`: what was used, by day, model and key, and the last calls. The numbers are the invoice's numbers.

use std::collections::HashMap;
use std::fmt::Write as _;

use askama::Template;
use chrono::{NaiveDate, TimeDelta};
use entity::account;
use entity::money::{Nanos, exponent};
use poem::http::header;
use poem::web::{Data, Query};
use poem::{Response, handler};
use serde::Deserialize;

use super::chart::{self, Chart};
use super::error::PortalError;
use super::show;
use crate::app::App;
use crate::auth::key;
use crate::metering::events::{Events, Which};
use crate::metering::report::{self, Group, GroupBy};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

/// The last calls on the page.
const RECENT: usize = 25;
/// Days a range may be asked for.
const RANGES: [i64; 4] = [1, 7, 30, 90];

/// What the page may be asked for.
#[derive(Deserialize)]
struct Asked {
    days: Option<i64>,
}

impl Asked {
    fn days(&self) -> i64 {
        self.days.filter(|days| RANGES.contains(days)).unwrap_or(30)
    }
}

#[derive(Template)]
#[template(path = "portal/usage.html")]
struct UsagePage {
    shell: Shell,
    days: i64,
    ranges: Vec<(i64, &'static str)>,
    calls: String,
    images: String,
    amount: String,
    chart: Chart,
    by_day: Vec<Row>,
    by_model: Vec<Row>,
    by_key: Vec<Row>,
    events: Vec<EventRow>,
    up_to: String,
}

struct Row {
    name: String,
    calls: String,
    images: String,
    amount: String,
}

struct EventRow {
    at: String,
    request_id: String,
    model: String,
    key: String,
    compute: String,
    amount: String,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Query(asked): Query<Asked>) -> Result<Page<impl Template>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let (days, now) = (asked.days(), account.now(app.clock.now()));
    let (from, to) = range(days, now.date_naive());
    let by_day = report::by_day(&app.db, account.id, from, to).await?;
    let names: HashMap<String, String> =
        key::list(&app.db, account.id).await?.into_iter().map(|key| (key.id.to_string(), key.name)).collect();
    let (from_at, to_at) = (midnight(from), midnight(to));
    let by_model = report::grouped(&app.db, account.id, from_at, to_at, GroupBy::Model).await?;
    let by_key = report::grouped(&app.db, account.id, from_at, to_at, GroupBy::Key).await?;
    let events = Events::of(&app.db, &app.archive, account.id, Which::All).newest_first().page(None, RECENT).await?;
    let sum = |of: fn(&report::Totals) -> i64| by_day.iter().map(|(_, totals)| of(totals)).sum::<i64>();
    let currency = account.currency.as_str();
    Ok(Page(UsagePage {
        days,
        ranges: vec![(1, "Today"), (7, "Last 7 days"), (30, "Last 30 days"), (90, "Last 90 days")],
        calls: show::count(sum(|totals| totals.events)),
        images: show::count(sum(|totals| totals.quantity)),
        amount: show::nanos(Nanos(sum(|totals| totals.amount.0)), currency),
        chart: chart::of(&by_day, currency),
        by_day: days_with_calls(&by_day, currency),
        by_model: rows(by_model, currency, |name| name.to_owned()),
        by_key: rows(by_key, currency, |id| names.get(id).cloned().unwrap_or_else(|| id.to_owned())),
        events: events
            .into_iter()
            .map(|event| EventRow {
                at: show::moment(event.at),
                request_id: event.request_id.to_string(),
                model: event.model,
                key: names.get(&event.key_id.to_string()).cloned().unwrap_or_default(),
                compute: format!("{}.{} ms", event.compute_us / 1000, event.compute_us % 1000 / 100),
                amount: show::nanos(event.amount_nanos, currency),
            })
            .collect(),
        up_to: now.format("%H:%M UTC").to_string(),
        shell,
    }))
}

/// `/app/usage.csv`: the same range by day, for a spreadsheet.
#[handler]
pub async fn csv(app: Data<&App>, me: SignedInMember, Query(asked): Query<Asked>) -> Result<Response, PortalError> {
    let account: account::Model = me.account;
    let (from, to) = range(asked.days(), account.now(app.clock.now()).date_naive());
    let days = report::by_day(&app.db, account.id, from, to).await?;
    let mut text = String::from("day,calls,images,amount,currency\r\n");
    for (day, totals) in days {
        let amount = totals.amount.decimal(exponent(&account.currency));
        // Writing into a String cannot fail.
        let _ = write!(text, "{day},{},{},{amount},{}\r\n", totals.events, totals.quantity, account.currency);
    }
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "text/csv; charset=utf-8")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"usage-{from}.csv\""))
        .header(header::CACHE_CONTROL, "no-store")
        .body(text))
}

/// The last `days` days, today included: [from, to).
fn range(days: i64, today: NaiveDate) -> (NaiveDate, NaiveDate) {
    let to = today + TimeDelta::days(1);
    (to - TimeDelta::days(days), to)
}

fn midnight(day: NaiveDate) -> entity::Time {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Newest first; days without a call are only in the chart.
fn days_with_calls(days: &[(NaiveDate, report::Totals)], currency: &str) -> Vec<Row> {
    let used = days.iter().rev().filter(|(_, totals)| totals.events > 0);
    used.map(|(day, totals)| Row {
        name: show::day(*day),
        calls: show::count(totals.events),
        images: show::count(totals.quantity),
        amount: show::nanos(totals.amount, currency),
    })
    .collect()
}

fn rows(groups: Vec<Group>, currency: &str, name_of: impl Fn(&str) -> String) -> Vec<Row> {
    groups
        .into_iter()
        .map(|group| Row {
            name: name_of(&group.name),
            calls: show::count(group.events),
            images: show::count(group.quantity),
            amount: show::nanos(group.amount, currency),
        })
        .collect()
}
