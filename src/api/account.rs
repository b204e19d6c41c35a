//! The account: its plan, its credit, its limits.

use chrono::{DateTime, Utc};
use entity::balance;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::plan;
use crate::web::json::problem::{Code, Problem};

pub struct AccountApi;

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum AccountObject {
    /// An account.
    Account,
}

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum BalanceObject {
    /// A balance.
    Balance,
}

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum LimitsObject {
    /// Limits.
    Limits,
}

/// The account of the key in hand.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// Always `account`.
    pub object: AccountObject,
    /// The company.
    pub name: String,
    /// `live`, or `test`: no real money moves.
    pub mode: String,
    /// `active`, `past_due`, `suspended` or `closed`.
    pub standing: String,
    /// Currency of every amount of the account, in lower case.
    pub currency: String,
    /// The plan it is on.
    pub plan: Option<Plan>,
    /// The account's own time: of a test-mode account it can be moved.
    pub now: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A plan.
#[derive(Debug, Object)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// Which version of it.
    pub version: i32,
    /// What it costs per month, as a decimal text.
    pub base_fee: String,
}

/// Credit of the account.
#[derive(Debug, Object)]
pub struct Balance {
    /// Always `balance`.
    pub object: BalanceObject,
    /// Currency of every amount here.
    pub currency: String,
    /// What may still be spent, as a decimal text. Calls in flight are taken off when they settle.
    pub remaining: String,
    /// All credit ever bought or granted.
    pub credits: String,
    /// All that was ever spent.
    pub debits: String,
}

/// How much and how fast the account may use the API.
#[derive(Debug, Object)]
pub struct Limits {
    /// Always `limits`.
    pub object: LimitsObject,
    /// Metered requests per minute.
    pub requests_per_minute: i32,
    /// What may still be spent, as a decimal text.
    pub remaining_credit: String,
    /// Currency of the amounts here.
    pub currency: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl AccountApi {
    /// Show the account
    ///
    /// Needs the scope `billing`.
    #[oai(path = "/account", method = "get", operation_id = "getAccount")]
    async fn account(&self, key: Key, app: Data<&App>) -> Result<Json<Account>, Problem> {
        let account = key.with(Scope::Billing)?.account.clone();
        let plan = plan::current(&app.db, account.id).await?.map(|(version, _)| Plan {
            base_fee: money::minor(version.base_fee_minor, &version.currency),
            name: version.name,
            version: version.version,
        });
        Ok(Json(Account {
            id: account.id.to_string(),
            object: AccountObject::Account,
            mode: account.mode.as_str().to_owned(),
            standing: account.standing.as_str().to_owned(),
            plan,
            now: account.now(app.clock.now()),
            created_at: account.created_at,
            name: account.name,
            currency: account.currency,
        }))
    }

    /// Show the credit
    ///
    /// Needs the scope `usage` or `billing`.
    #[oai(path = "/balance", method = "get", operation_id = "getBalance")]
    async fn balance(&self, key: Key, app: Data<&App>) -> Result<Json<Balance>, Problem> {
        let account = &key.with_one_of(&[Scope::Usage, Scope::Billing])?.account;
        let row = balance_of(&app, account).await?;
        Ok(Json(Balance {
            object: BalanceObject::Balance,
            remaining: money::nanos(row.remaining(), &account.currency),
            credits: money::nanos(row.credits, &account.currency),
            debits: money::nanos(row.debits, &account.currency),
            currency: account.currency.clone(),
        }))
    }

    /// Show the limits
    ///
    /// Needs the scope `usage` or `billing`.
    #[oai(path = "/limits", method = "get", operation_id = "getLimits")]
    async fn limits(&self, key: Key, app: Data<&App>) -> Result<Json<Limits>, Problem> {
        let account = &key.with_one_of(&[Scope::Usage, Scope::Billing])?.account;
        let row = balance_of(&app, account).await?;
        let plan = plan::current(&app.db, account.id).await?;
        Ok(Json(Limits {
            object: LimitsObject::Limits,
            requests_per_minute: plan.map_or(0, |(version, _)| version.requests_per_minute),
            remaining_credit: money::nanos(row.remaining(), &account.currency),
            currency: account.currency.clone(),
        }))
    }
}

/// Every account with a key has a balance: it is made when the address is verified, and keys come after that.
async fn balance_of(app: &App, account: &entity::account::Model) -> Result<balance::Model, Problem> {
    balance::Entity::credit_of(account.id).one(&app.db).await?.ok_or_else(|| Problem::plain(Code::Internal))
}
