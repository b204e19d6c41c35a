//! Credit and coupons of an account.

use chrono::{DateTime, Utc};
use entity::credit_grant::Kind;
use entity::ids::AccountId;
use entity::money::Nanos;
use entity::{account, coupon};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use sea_orm::EntityTrait as _;

use super::gate::Operator;
use super::invoices::why;
use super::{Tag, amount};
use crate::app::App;
use crate::billing::coupon::{self as coupons, NewCoupon, Off};
use crate::billing::credit::adjust::{self, Adjustment};
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct CreditApi;

/// Credit to give or to take back.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct NewAdjustment {
    /// A decimal text in the account's currency. Below zero it is taken back, of what is not spent.
    pub amount: String,
    /// Stands in the customer's statement and in the audit log.
    pub reason: String,
    /// Your own name for this adjustment: the same one is done once.
    pub reference: String,
    /// Of credit that is given: `promotional` (the default) or `paid`.
    pub kind: Option<String>,
    /// Of credit that is given: lower is used first. Gifts have 50, paid credit has 100.
    pub priority: Option<i16>,
    /// Of credit that is given: when what is left of it is lost.
    pub expires_at: Option<DateTime<Utc>>,
}

impl FromFields for NewAdjustment {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            amount: fields.needed_text("amount")?,
            reason: fields.needed_text("reason")?,
            reference: fields.needed_text("reference")?,
            kind: fields.text("kind")?,
            // Within the bounds of the number's type.
            priority: fields.whole("priority", 0, 1000)?.map(|priority| priority as i16),
            expires_at: fields.instant("expires_at")?,
        })
    }
}

/// What `object` says of a credit.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CreditObject {
    /// The credit of an account.
    Credit,
}

/// The credit of an account.
#[derive(Debug, Object)]
pub struct Credit {
    /// Always `credit`.
    pub object: CreditObject,
    /// What is left to spend.
    pub balance: String,
    /// Its currency.
    pub currency: String,
}

/// A coupon to be made.
#[derive(Debug, Object)]
#[oai(rename = "NewCoupon", skip_serializing_if_is_none)]
pub struct CouponBody {
    /// Capitals, digits, `-` and `_`.
    pub code: String,
    /// Stands on invoices.
    pub description: String,
    /// What it takes off: per cent as a decimal text such as `12.5`. Either this or `amount`.
    pub percent: Option<String>,
    /// What it takes off: an amount, with `currency`.
    pub amount: Option<String>,
    /// Of the amount.
    pub currency: Option<String>,
    /// `once`, `repeating` or `forever`.
    pub duration: String,
    /// Of a repeating one, 1 to 120.
    pub months: Option<i32>,
}

impl FromFields for CouponBody {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            code: fields.needed_text("code")?,
            description: fields.needed_text("description")?,
            percent: fields.text("percent")?,
            amount: fields.text("amount")?,
            currency: fields.text("currency")?,
            duration: fields.needed_text("duration")?,
            months: fields.whole("months", 1, 120)?.map(|months| months as i32),
        })
    }
}

/// What `object` says of a coupon.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CouponObject {
    /// A coupon.
    Coupon,
}

/// A coupon.
#[derive(Debug, Object)]
pub struct Coupon {
    /// Always `coupon`.
    pub object: CouponObject,
    /// What customers are told.
    pub code: String,
    /// As it stands on invoices.
    pub description: String,
}

/// Which coupon.
#[derive(Debug, Object)]
pub struct Redeem {
    /// Its code.
    pub code: String,
}

impl FromFields for Redeem {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { code: fields.needed_text("code")? })
    }
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Billing")]
impl CreditApi {
    /// Adjust credit
    ///
    /// Gives credit, or takes back what is not spent. In the audit log with its reason.
    #[oai(path = "/accounts/:id/credit", method = "post", operation_id = "adjustCredit")]
    async fn adjust(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        id: Path<String>,
        body: JsonBody<NewAdjustment>,
    ) -> Result<Json<Credit>, Problem> {
        let account = find(&app, &id).await?;
        let new = body.0;
        let amount = amount::exact("amount", &new.amount)?;
        let kind = match new.kind.as_deref() {
            None | Some("promotional") => Kind::Promotional,
            Some("paid") => Kind::Paid,
            Some(_) => return Err(Problem::field(Code::InvalidField, "kind", "expected promotional or paid")),
        };
        let adjustment = if amount.0 < 0 {
            Adjustment::Revoke { amount: Nanos(-amount.0) }
        } else {
            Adjustment::Give { amount, kind, priority: new.priority, expires_at: new.expires_at }
        };
        let left = adjust::adjust(&app.db, account.id, adjustment, (&new.reference, why(&new.reason)), app.clock.now()).await?;
        Ok(Json(Credit { object: CreditObject::Credit, balance: left.decimal(account.exponent()), currency: account.currency }))
    }

    /// Make a coupon
    ///
    /// It never changes; a better one gets a code of its own.
    #[oai(path = "/coupons", method = "post", operation_id = "createCoupon")]
    async fn create(&self, _operator: Operator, app: Data<&App>, body: JsonBody<CouponBody>) -> Result<Json<Coupon>, Problem> {
        let row = coupons::create_in(&app.db, new_coupon(body.0)?, app.clock.now()).await?;
        Ok(Json(shown(row)))
    }

    /// Give an account a coupon
    ///
    /// From now on, two at most at a time.
    #[oai(path = "/accounts/:id/coupons", method = "post", operation_id = "redeemCoupon")]
    async fn redeem(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        id: Path<String>,
        body: JsonBody<Redeem>,
    ) -> Result<Json<Coupon>, Problem> {
        let account = find(&app, &id).await?;
        let (_, row) = coupons::redeem(&app.db, account.id, &body.0.code, app.clock.now()).await?;
        Ok(Json(shown(row)))
    }
}

fn shown(row: coupon::Model) -> Coupon {
    Coupon { object: CouponObject::Coupon, code: row.code, description: row.description }
}

fn new_coupon(body: CouponBody) -> Result<NewCoupon, Problem> {
    let wrong = |field, detail: &str| Problem::field(Code::InvalidField, field, detail);
    let off = match (body.percent, body.amount, body.currency) {
        (Some(percent), None, None) => {
            let basis_points = amount::minor("percent", &percent, 2)?;
            Off::Percent(i32::try_from(basis_points.0).map_err(|_| wrong("percent", "expected more than 0, at most 100"))?)
        }
        (None, Some(text), Some(currency)) => {
            if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_lowercase()) {
                return Err(wrong("currency", "expected three small letters such as usd"));
            }
            Off::Amount(amount::minor("amount", &text, entity::money::exponent(&currency))?, currency)
        }
        _ => return Err(wrong("percent", "expected either `percent`, or `amount` with `currency`")),
    };
    let duration = match body.duration.as_str() {
        "once" => coupon::Duration::Once,
        "repeating" => coupon::Duration::Repeating,
        "forever" => coupon::Duration::Forever,
        _ => return Err(wrong("duration", "expected once, repeating or forever")),
    };
    Ok(NewCoupon { code: body.code, description: body.description, off, duration, months: body.months })
}

/// The account that a path names.
pub(super) async fn find(app: &App, id: &str) -> Result<account::Model, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no such account. `GET /admin/v1/accounts` lists them.");
    let id: AccountId = id.parse().map_err(|_| unknown())?;
    account::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(unknown)
}
