//! Accounts, and the simulated clocks of those in test mode.

use chrono::{DateTime, Utc};
use entity::account;
use entity::ids::AccountId;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use sea_orm::{EntityTrait as _, QueryOrder as _, QuerySelect as _};

use super::gate::Operator;
use super::{Tag, duration};
use crate::accounts::clock::{self, ClockError};
use crate::app::App;
use crate::billing::jobs::Means;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

/// The newest accounts that a list shows.
const SHOWN: u64 = 1000;

pub struct AccountsApi;

/// What `object` says of a list.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ListObject {
    /// A list.
    List,
}

/// Accounts, newest first.
#[derive(Debug, Object)]
pub struct AccountList {
    /// Always `list`.
    pub object: ListObject,
    /// At most the newest thousand.
    pub data: Vec<Account>,
    /// True when there are more than these.
    pub has_more: bool,
}

/// A customer account.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// The company.
    pub name: String,
    /// `live` or `test`.
    pub mode: String,
    /// `active`, `past_due`, `suspended` or `closed`.
    pub standing: String,
    /// Its currency.
    pub currency: String,
    /// Its customer at Stripe.
    pub stripe_customer_id: Option<String>,
    /// Its own time.
    pub now: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// How far to move a clock.
#[derive(Debug, Object)]
pub struct Advance {
    /// An ISO 8601 duration: `P1M`, `P1D`, `PT1H`.
    pub advance: String,
}

impl FromFields for Advance {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { advance: fields.needed_text("advance")? })
    }
}

/// What `object` says of a clock.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ClockObject {
    /// A clock.
    Clock,
}

/// A simulated clock after it was moved.
#[derive(Debug, Object)]
pub struct Clock {
    /// Always `clock`.
    pub object: ClockObject,
    /// The account it belongs to.
    pub account: String,
    /// Where it stands.
    pub now: DateTime<Utc>,
    /// How many billing periods ended, each of which gets its invoice.
    pub closed_periods: usize,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Accounts")]
impl AccountsApi {
    /// List accounts
    ///
    /// Newest first.
    #[oai(path = "/accounts", method = "get", operation_id = "listAccounts")]
    async fn list(&self, _operator: Operator, app: Data<&App>) -> Result<Json<AccountList>, Problem> {
        let mut rows = account::Entity::find().order_by_desc(account::Column::Id).limit(SHOWN + 1).all(&app.db).await?;
        let has_more = rows.len() as u64 > SHOWN;
        rows.truncate(SHOWN as usize);
        let wall = app.clock.now();
        let shown = |row: account::Model| Account {
            id: row.id.to_string(),
            now: row.now(wall),
            name: row.name,
            mode: row.mode.as_str().to_owned(),
            standing: row.standing.as_str().to_owned(),
            currency: row.currency,
            stripe_customer_id: row.stripe_customer_id,
            created_at: row.created_at,
        };
        Ok(Json(AccountList { object: ListObject::List, data: rows.into_iter().map(shown).collect(), has_more }))
    }

    /// Move a simulated clock
    ///
    /// Of a test-mode account, forward. It stops at every instant at which something falls due until that is done: periods are
    /// closed, invoices issued and charged, credit expires, dunning goes on, letters are written, all in its order. A year takes
    /// some seconds.
    #[oai(path = "/accounts/:id/clock", method = "post", operation_id = "advanceClock")]
    async fn advance(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        id: Path<String>,
        body: JsonBody<Advance>,
    ) -> Result<Json<Clock>, Problem> {
        let account: AccountId = id.parse().map_err(|_| unknown())?;
        let wrong = || Problem::field(Code::InvalidField, "advance", "expected an ISO 8601 duration such as P1M, P1D or PT1H");
        let by = duration::parse(&body.0.advance).ok_or_else(wrong)?;
        // In a task of its own: a client that hangs up does not leave the clock half way.
        let app = app.clone();
        let moving = tokio::spawn(async move { clock::advance(means(&app), &app.clock, account, by).await });
        let advanced = moving.await.map_err(|_| Problem::plain(Code::Internal))?.map_err(|error| match error {
            ClockError::Unknown => unknown(),
            ClockError::Live => Problem::new(Code::LiveAccount, Code::LiveAccount.about().advice),
            ClockError::Range => Problem::field(Code::InvalidField, "advance", error.to_string()),
            ClockError::Busy => Problem::new(Code::Unavailable, error.to_string()),
            ClockError::Database(error) => error.into(),
        })?;
        Ok(Json(Clock { object: ClockObject::Clock, account: account.to_string(), now: advanced.now, closed_periods: advanced.closed }))
    }
}

fn means(app: &App) -> Means<'_> {
    let (config, public_url) = (&app.config, app.config.server.public_url.as_str());
    Means { db: &app.db, stripe: &app.stripe, seller: &config.seller, dunning: &config.dunning, public_url }
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no such account. `GET /admin/v1/accounts` lists them.")
}
