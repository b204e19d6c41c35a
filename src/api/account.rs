//! The account: its plan, its credit, who it is on invoices.

use chrono::{DateTime, Utc};
use entity::account::{self, Locale};
use entity::balance;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use sea_orm::sea_query::LockType;
use sea_orm::{EntityTrait as _, QuerySelect as _, TransactionTrait as _};

use super::auth::Key;
use super::{Tag, money};
use crate::accounts::details::{self, Details};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::plan;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
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
    /// Who it is on invoices.
    pub billing_details: BillingDetails,
}

/// Who the account is on invoices, and how it wants them. Invoices that are issued keep what they say.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct BillingDetails {
    /// Street and number.
    pub address_line1: String,
    /// More of the address.
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    /// ISO 3166-1 alpha-2, in capitals.
    pub country: Option<String>,
    /// VAT id, without spaces and in capitals.
    pub tax_id: Option<String>,
    /// Language of invoices and letters: `en` or `zh`.
    pub locale: String,
    /// A name of the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    /// Whether invoices carry their data as EN 16931 XML (Factur-X).
    pub e_invoice: bool,
}

/// What is to change. What is left out stays as it is; an empty text takes it away.
#[derive(Debug, Object)]
pub struct UpdateAccount {
    /// The company.
    pub name: Option<String>,
    /// Street and number.
    pub address_line1: Option<String>,
    /// More of the address.
    pub address_line2: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// VAT id. Its shape is checked where we know that of the country.
    pub tax_id: Option<String>,
    /// Language of invoices and letters: `en` or `zh`.
    pub locale: Option<String>,
    /// A name of the IANA database, such as `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// Whether invoices carry their data as EN 16931 XML (Factur-X). Needs a country.
    pub e_invoice: Option<bool>,
}

impl FromFields for UpdateAccount {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            name: fields.text("name")?,
            address_line1: fields.text("address_line1")?,
            address_line2: fields.text("address_line2")?,
            postal_code: fields.text("postal_code")?,
            city: fields.text("city")?,
            country: fields.text("country")?,
            tax_id: fields.text("tax_id")?,
            locale: fields.text("locale")?,
            time_zone: fields.text("time_zone")?,
            e_invoice: fields.truth("e_invoice")?,
        })
    }
}

impl UpdateAccount {
    /// The details with these changes.
    fn over(self, mut known: Details) -> Result<Details, Problem> {
        let texts = [
            (self.name, &mut known.name),
            (self.address_line1, &mut known.address_line1),
            (self.address_line2, &mut known.address_line2),
            (self.postal_code, &mut known.postal_code),
            (self.city, &mut known.city),
            (self.country, &mut known.country),
            (self.tax_id, &mut known.tax_id),
            (self.time_zone, &mut known.time_zone),
        ];
        for (asked, place) in texts {
            *place = asked.unwrap_or_else(|| std::mem::take(place));
        }
        known.locale = match self.locale.as_deref() {
            None => known.locale,
            Some("en") => Locale::En,
            Some("zh") => Locale::Zh,
            Some(_) => return Err(Problem::field(Code::InvalidField, "locale", "expected en or zh")),
        };
        known.e_invoice = self.e_invoice.unwrap_or(known.e_invoice);
        Ok(known)
    }
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

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl AccountApi {
    /// Show the account
    ///
    /// Needs the scope `billing`.
    #[oai(path = "/account", method = "get", operation_id = "getAccount")]
    async fn account(&self, key: Key, app: Data<&App>) -> Result<Json<Account>, Problem> {
        shown(&app, key.with(Scope::Billing)?.account.clone()).await.map(Json)
    }

    /// Change the account
    ///
    /// Invoices from the next one on say so. Needs the scope `billing`.
    #[oai(path = "/account", method = "patch", operation_id = "updateAccount")]
    async fn update(&self, key: Key, app: Data<&App>, body: JsonBody<UpdateAccount>) -> Result<Json<Account>, Problem> {
        let id = key.with(Scope::Billing)?.account.id;
        let txn = app.db.begin().await?;
        // Two changes at once add up: the row is locked before it is read.
        let known = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?;
        let known = known.ok_or_else(|| Problem::plain(Code::Internal))?;
        let details = body.0.over(Details::from(&known))?.checked().map_err(|wrong| {
            let wrong = wrong.into_iter().next().expect("there is at least one, or it would be right");
            Problem::field(Code::InvalidField, wrong.field, wrong.expected)
        })?;
        let account = details::store(&txn, id, details, app.clock.now()).await?;
        txn.commit().await?;
        shown(&app, account).await.map(Json)
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
}

async fn shown(app: &App, account: account::Model) -> Result<Account, Problem> {
    let plan = plan::current(&app.db, account.id).await?.map(|(version, _)| Plan {
        base_fee: money::minor(version.base_fee_minor, &version.currency),
        name: version.name,
        version: version.version,
    });
    Ok(Account {
        id: account.id.to_string(),
        object: AccountObject::Account,
        mode: account.mode.as_str().to_owned(),
        standing: account.standing.as_str().to_owned(),
        plan,
        now: account.now(app.clock.now()),
        created_at: account.created_at,
        name: account.name,
        currency: account.currency,
        billing_details: BillingDetails {
            address_line1: account.address_line1,
            address_line2: account.address_line2,
            postal_code: account.postal_code,
            city: account.city,
            country: account.country,
            tax_id: account.tax_id,
            locale: account.locale.as_str().to_owned(),
            time_zone: account.time_zone,
            e_invoice: account.e_invoice,
        },
    })
}

/// Every account with a key has a balance: it is made when the address is verified, and keys come after that.
pub(super) async fn balance_of(app: &App, account: &entity::account::Model) -> Result<balance::Model, Problem> {
    balance::Entity::credit_of(account.id).one(&app.db).await?.ok_or_else(|| Problem::plain(Code::Internal))
}
