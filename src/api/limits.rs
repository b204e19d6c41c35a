//! Limits and alerts: what stops calls, and what only warns.

use entity::balance::Scope as Per;
use entity::money::Nanos;
use entity::{account, spend_limit};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Enum, Object, OpenApi};
use sea_orm::{ColumnTrait as _, QueryFilter as _, TransactionTrait as _};

use super::account::balance_of;
use super::auth::Key;
use super::keys::schema::{change, nullable};
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::alert::{self, Settings, SettingsError};
use crate::billing::plan;
use crate::metering::limits;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct LimitsApi;

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum LimitsObject {
    /// Limits.
    Limits,
}

/// How much and how fast the account may use the API, and what it is warned of.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Limits {
    /// Always `limits`.
    pub object: LimitsObject,
    /// Metered requests per minute.
    pub requests_per_minute: i32,
    /// What may still be spent, as a decimal text.
    pub remaining_credit: String,
    /// What may be spent in a billing period, as a decimal text. Calls beyond it are refused.
    pub cap: Option<String>,
    /// What is expected to be spent in a billing period, as a decimal text. Nothing is refused beyond it.
    pub budget: Option<String>,
    /// Per cents of the budget, or of the cap where there is no budget. When so many are spent in the billing period, the owner
    /// is told by mail, and webhooks as `alert.crossed`; once per crossing.
    pub alert_percents: Vec<i64>,
    /// When less credit than this is left it is told, too. A decimal text.
    pub alert_credit_below: Option<String>,
    /// Currency of the amounts here.
    pub currency: String,
}

/// What is to change. What is left out stays as it is; `null` takes it away.
#[derive(Debug, Object)]
pub struct UpdateLimits {
    /// What may be spent in a billing period, as a decimal text.
    pub cap: MaybeUndefined<String>,
    /// What is expected to be spent in a billing period, as a decimal text.
    pub budget: MaybeUndefined<String>,
    /// Per cents from 1 to 1000, at most 10 of them.
    pub alert_percents: Option<Vec<i64>>,
    /// Credit left below which it is told, as a decimal text.
    pub alert_credit_below: MaybeUndefined<String>,
}

impl FromFields for UpdateLimits {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            cap: nullable(fields, "cap", Fields::text)?,
            budget: nullable(fields, "budget", Fields::text)?,
            alert_percents: fields.whole_numbers("alert_percents")?,
            alert_credit_below: nullable(fields, "alert_credit_below", Fields::text)?,
        })
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl LimitsApi {
    /// Show limits and alerts
    ///
    /// Needs the scope `usage` or `billing`.
    #[oai(path = "/limits", method = "get", operation_id = "getLimits")]
    async fn limits(&self, key: Key, app: Data<&App>) -> Result<Json<Limits>, Problem> {
        let account = &key.with_one_of(&[Scope::Usage, Scope::Billing])?.account;
        shown(&app, account).await.map(Json)
    }

    /// Change limits and alerts
    ///
    /// The cap counts for the next call everywhere. Needs the scope `billing`.
    #[oai(path = "/limits", method = "patch", operation_id = "updateLimits")]
    async fn update(&self, key: Key, app: Data<&App>, body: JsonBody<UpdateLimits>) -> Result<Json<Limits>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let UpdateLimits { cap, budget, alert_percents, alert_credit_below } = body.0;
        let (cap, budget) = (amount("cap", cap)?, amount("budget", budget)?);
        let credit_below = amount("alert_credit_below", alert_credit_below)?;
        let txn = app.db.begin().await?;
        let known = alert::settings(&txn, &fresh(&txn, account).await?).await?;
        let mut shares = alert_percents.unwrap_or(known.shares);
        shares.sort_unstable();
        shares.dedup();
        let asked = Settings { budget: budget.unwrap_or(known.budget), shares, credit_below: credit_below.unwrap_or(known.credit_below) };
        alert::set_in(&txn, account.id, &asked).await.map_err(refused)?;
        if let Some(cap) = cap {
            limits::set_cap_in(&txn, account.id, cap).await?;
        }
        txn.commit().await?;
        shown(&app, account).await.map(Json)
    }
}

/// As it is now: the key in hand remembers the account as it was a moment ago.
async fn fresh(db: &impl sea_orm::ConnectionTrait, account: &account::Model) -> Result<account::Model, Problem> {
    use sea_orm::EntityTrait as _;
    account::Entity::find_by_id(account.id).one(db).await?.ok_or_else(|| Problem::plain(Code::Internal))
}

async fn shown(app: &App, account: &account::Model) -> Result<Limits, Problem> {
    let account = fresh(&app.db, account).await?;
    let row = balance_of(app, &account).await?;
    let plan = plan::current(&app.db, account.id).await?;
    let cap = spend_limit::Entity::of(account.id).filter(spend_limit::Column::Scope.eq(Per::Period)).one(&app.db).await?;
    let Settings { budget, shares, credit_below } = alert::settings(&app.db, &account).await?;
    let amount = |nanos: Nanos| money::nanos(nanos, &account.currency);
    Ok(Limits {
        object: LimitsObject::Limits,
        requests_per_minute: plan.map_or(0, |(version, _)| version.requests_per_minute),
        remaining_credit: amount(row.remaining()),
        cap: cap.map(|cap| amount(cap.amount)),
        budget: budget.map(amount),
        alert_percents: shares,
        alert_credit_below: credit_below.map(amount),
        currency: account.currency.clone(),
    })
}

fn amount(name: &str, field: MaybeUndefined<String>) -> Result<Option<Option<Nanos>>, Problem> {
    let wrong = || Problem::field(Code::InvalidField, name, "expected an amount as a decimal text such as \"50.00\"");
    change(field).map(|text| text.map(|text| Nanos::parse(&text).ok_or_else(wrong)).transpose()).transpose()
}

fn refused(error: SettingsError) -> Problem {
    let text = error.to_string();
    match error {
        SettingsError::Budget => Problem::field(Code::InvalidField, "budget", text),
        SettingsError::Shares => Problem::field(Code::InvalidField, "alert_percents", text),
        SettingsError::Credit => Problem::field(Code::InvalidField, "alert_credit_below", text),
        SettingsError::Database(error) => error.into(),
    }
}
