//! Coupons that the account has, and redeeming one.

use chrono::{DateTime, Utc};
use entity::{coupon as rows, coupon_redemption};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::paging::List;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::coupon;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct CouponsApi;

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CouponObject {
    /// A coupon.
    Coupon,
}

/// A coupon that the account has.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Coupon {
    /// Always `coupon`.
    pub object: CouponObject,
    /// Its code.
    pub code: String,
    /// As it stands on invoices.
    pub description: String,
    /// What it takes off, in per cent; or `amount`.
    pub percent: Option<String>,
    /// What it takes off, in the account's currency.
    pub amount: Option<String>,
    /// `once`, `repeating` or `forever`.
    pub duration: String,
    /// When the account got it, in the account's own time.
    pub redeemed_at: DateTime<Utc>,
    /// Of a repeating one: periods that begin from then on do not have it.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Which coupon.
#[derive(Debug, Object)]
pub struct RedeemCoupon {
    /// Its code.
    pub code: String,
}

impl FromFields for RedeemCoupon {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { code: fields.needed_text("code")? })
    }
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl CouponsApi {
    /// List coupons
    ///
    /// Those that the next invoice may have. Needs the scope `billing`.
    #[oai(path = "/coupons", method = "get", operation_id = "listCoupons")]
    async fn list(&self, key: Key, app: Data<&App>) -> Result<Json<List<Coupon>>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let held = coupon::held(&app.db, account.id, account.now(app.clock.now())).await?;
        Ok(Json(List::whole(held.into_iter().map(|(redemption, row)| Coupon::of(row, redemption)).collect())))
    }

    /// Redeem a coupon
    ///
    /// It comes off the invoice of the open period, and off later ones for as long as it lasts. An account has two at a time, each
    /// once. Needs the scope `billing`.
    #[oai(path = "/coupons", method = "post", operation_id = "redeemCoupon")]
    async fn redeem(&self, key: Key, app: Data<&App>, body: JsonBody<RedeemCoupon>) -> Result<Json<Coupon>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        app.throttle.count(&coupon::throttled(account.id)).map_err(|wait| {
            Problem::new(Code::RateLimited, "Codes are not for guessing: wait before you try another one.").retry_after(wait)
        })?;
        let (redemption, row) = coupon::redeem(&app.db, account.id, &body.0.code, app.clock.now()).await?;
        Ok(Json(Coupon::of(row, redemption)))
    }
}

impl Coupon {
    fn of(row: rows::Model, redemption: coupon_redemption::Model) -> Self {
        let amount = row.amount_minor.zip(row.currency).map(|(amount, currency)| money::minor(amount, &currency));
        Self {
            object: CouponObject::Coupon,
            code: row.code,
            description: row.description,
            percent: row.percent_bp.map(|basis_points| entity::money::Minor(basis_points.into()).decimal(2)),
            amount,
            duration: row.duration.as_str().to_owned(),
            redeemed_at: redemption.redeemed_at,
            ends_at: redemption.ends_at,
        }
    }
}
