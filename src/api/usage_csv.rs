//! Usage events as CSV, streamed page by page: an export of a million calls holds a thousand of them in memory.

use chrono::SecondsFormat;
use entity::account;
use entity::ids::EventId;
use entity::usage_event::Model;
use poem::Body;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};

use super::auth::Key;
use super::{Tag, money, usage};
use crate::app::App;
use crate::auth::key::Scope;
use crate::metering::events::{Events, Which};
use crate::web::json::problem::Problem;

pub struct UsageCsvApi;

const HEADER: &str = "event_id,at,task,model,model_version,key_id,request_id,quantity,amount,currency,pixels,compute_ms\r\n";
const PAGE: usize = 1000;

/// A table.
#[derive(ApiResponse)]
pub enum Csv {
    /// One row per metered call, oldest first (RFC 4180, UTF-8).
    #[oai(status = 200, content_type = "text/csv")]
    Table(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

impl Csv {
    /// The events of an account, to be saved under `name`.
    ///
    /// # Errors
    /// When the first of them cannot be read; later ones break the answer off.
    pub async fn of(app: &App, account: &account::Model, which: Which, name: &str) -> Result<Self, Problem> {
        let mut events = Events::of(&app.db, &app.archive, account.id, which);
        let first = events.page(None, PAGE).await?;
        let body = rows(events, first, account.currency.clone());
        Ok(Self::Table(Binary(body), format!("attachment; filename=\"{name}\"")))
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
        let which = if account.clock_offset_seconds == 0 { Which::Between(from, to) } else { Which::BetweenMoved(from, to) };
        Csv::of(&app, account, which, "usage.csv").await
    }
}

/// Where a stream of pages stands.
enum Next {
    First(Events, Vec<Model>),
    Behind(Events, EventId),
}

fn rows(events: Events, first: Vec<Model>, currency: String) -> Body {
    let pages = futures_util::stream::try_unfold(Some(Next::First(events, first)), move |next| {
        let currency = currency.clone();
        async move {
            let (header, events, page) = match next {
                None => return Ok(None),
                Some(Next::First(events, first)) => (HEADER, events, first),
                Some(Next::Behind(mut events, last)) => {
                    let page = events.page(Some(last), PAGE).await.map_err(std::io::Error::other)?;
                    ("", events, page)
                }
            };
            let next = page.last().filter(|_| page.len() == PAGE).map(|row| row.id).map(|last| Next::Behind(events, last));
            let text = page.iter().fold(header.to_owned(), |text, row| text + &line(row, &currency));
            Ok::<_, std::io::Error>(Some((text, next)))
        }
    });
    Body::from_bytes_stream(pages)
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
