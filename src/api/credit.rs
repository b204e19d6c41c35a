//! Credit: what became of it, and how it buys itself.

use chrono::{DateTime, Utc};
use entity::auto_top_up as rows;
use entity::money::Nanos;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::auto_top_up::{self, Settings, SettingsError};
use crate::billing::credit::statement;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct CreditApi;

/// What `object` says of a credit statement.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum StatementObject {
    /// A statement.
    CreditStatement,
    /// The settings of automatic top-ups.
    AutoTopUp,
}

/// What became of the account's credit, oldest first.
#[derive(Debug, Object)]
pub struct CreditStatement {
    /// Always `credit_statement`.
    pub object: StatementObject,
    /// Currency of every amount here.
    pub currency: String,
    /// What is left to spend.
    pub balance: String,
    /// Every grant, use, expiry and correction.
    pub data: Vec<CreditEntry>,
}

/// One line of the statement.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct CreditEntry {
    /// When, in the account's own time.
    pub at: DateTime<Utc>,
    /// `top_up`, `gift`, `usage`, `return`, `expiry`, `revocation` or `unbilled_usage`.
    pub kind: String,
    /// The invoice's number, or the reason in words.
    pub note: Option<String>,
    /// Above zero what came, below what went; exact.
    pub amount: String,
    /// Behind this line.
    pub balance: String,
    /// When what is left of it is lost.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How credit buys itself.
#[derive(Debug, Object)]
pub struct AutoTopUp {
    /// Always `auto_top_up`.
    pub object: StatementObject,
    /// Whether it does. It is switched off by itself after a card was refused four times.
    pub enabled: bool,
    /// Credit is bought when less than that is left.
    pub threshold: String,
    /// How much at once.
    pub amount: String,
    /// How much at most within 24 hours.
    pub daily_cap: String,
    /// Currency of these amounts.
    pub currency: String,
    /// Refusals of the card since the last success.
    pub failures: i32,
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Object)]
pub struct UpdateAutoTopUp {
    /// Whether credit buys itself.
    pub enabled: Option<bool>,
    /// A decimal text.
    pub threshold: Option<String>,
    /// A decimal text.
    pub amount: Option<String>,
    /// A decimal text.
    pub daily_cap: Option<String>,
}

impl FromFields for UpdateAutoTopUp {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            enabled: fields.truth("enabled")?,
            threshold: fields.text("threshold")?,
            amount: fields.text("amount")?,
            daily_cap: fields.text("daily_cap")?,
        })
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl CreditApi {
    /// Read the credit statement
    ///
    /// Every grant, use, expiry and correction with the balance behind it. Needs the scope `billing`.
    #[oai(path = "/credit/statement", method = "get", operation_id = "getCreditStatement")]
    async fn statement(&self, key: Key, app: Data<&App>) -> Result<Json<CreditStatement>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let currency = account.currency.as_str();
        let entries = statement::statement(&app.db, account, account.now(app.clock.now())).await?;
        let balance = entries.last().map_or(Nanos(0), |entry| entry.balance);
        let shown = |entry: statement::Entry| CreditEntry {
            at: entry.at,
            kind: entry.what.as_str().to_owned(),
            note: Some(entry.note).filter(|note| !str::is_empty(note)),
            amount: money::nanos(entry.amount, currency),
            balance: money::nanos(entry.balance, currency),
            expires_at: entry.expires_at,
        };
        let data = entries.into_iter().map(shown).collect();
        let object = StatementObject::CreditStatement;
        Ok(Json(CreditStatement { object, currency: currency.to_owned(), balance: money::nanos(balance, currency), data }))
    }

    /// Show automatic top-ups
    ///
    /// Needs the scope `billing`.
    #[oai(path = "/auto-top-up", method = "get", operation_id = "getAutoTopUp")]
    async fn auto_top_up(&self, key: Key, app: Data<&App>) -> Result<Json<AutoTopUp>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let row = auto_top_up::of(&app.db, account, account.now(app.clock.now())).await?;
        Ok(Json(AutoTopUp::of(row, &account.currency)))
    }

    /// Change automatic top-ups
    ///
    /// With the card of the last top-up. Needs the scope `billing`.
    #[oai(path = "/auto-top-up", method = "patch", operation_id = "updateAutoTopUp")]
    async fn change(&self, key: Key, app: Data<&App>, body: JsonBody<UpdateAutoTopUp>) -> Result<Json<AutoTopUp>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let now = account.now(app.clock.now());
        let known = auto_top_up::of(&app.db, account, now).await?;
        let exact = |field, text: Option<String>, known| match text {
            None => Ok(known),
            Some(text) => {
                Nanos::parse(&text).ok_or_else(|| Problem::field(Code::InvalidField, field, "expected a decimal text such as \"12.50\""))
            }
        };
        let minor = |field, text: Option<String>, known| match text {
            None => Ok(known),
            Some(text) => {
                let nanos = exact(field, Some(text), Nanos(0))?;
                let amount = nanos.round(account.exponent());
                let whole = amount.nanos(account.exponent()) == Ok(nanos);
                if whole {
                    Ok(amount)
                } else {
                    Err(Problem::field(Code::InvalidField, field, "expected whole minor units of the currency"))
                }
            }
        };
        let new = Settings {
            enabled: body.0.enabled.unwrap_or(known.enabled),
            threshold: exact("threshold", body.0.threshold, known.threshold_nanos)?,
            amount: minor("amount", body.0.amount, known.amount_minor)?,
            daily_cap: minor("daily_cap", body.0.daily_cap, known.daily_cap_minor)?,
        };
        let row = auto_top_up::set(&app.db, account, new, now).await.map_err(|error| {
            let field = match &error {
                SettingsError::Amount => "amount",
                SettingsError::Threshold => "threshold",
                SettingsError::DailyCap => "daily_cap",
                SettingsError::Database(_) => return Problem::plain(Code::Unavailable),
            };
            Problem::field(Code::InvalidField, field, error.to_string().trim_start_matches(field).trim_start_matches(": "))
        })?;
        Ok(Json(AutoTopUp::of(row, &account.currency)))
    }
}

impl AutoTopUp {
    fn of(row: rows::Model, currency: &str) -> Self {
        Self {
            object: StatementObject::AutoTopUp,
            enabled: row.enabled,
            threshold: money::nanos(row.threshold_nanos, currency),
            amount: money::minor(row.amount_minor, currency),
            daily_cap: money::minor(row.daily_cap_minor, currency),
            currency: currency.to_owned(),
            failures: row.failures,
        }
    }
}
