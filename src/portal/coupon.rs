//! `/app/billing/coupon`: redeeming a coupon, from the form on the billing page.

use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::billing::{self, Typed};
use super::error::PortalError;
use super::see_with;
use crate::app::App;
use crate::billing::coupon::{self, CouponError};
use crate::web::form::{FieldErrors, Form};
use crate::web::session::SignedInMember;

/// What the form sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    code: String,
}

/// Redeems it, or says on the billing page why not.
#[handler]
pub async fn post(app: Data<&App>, me: SignedInMember, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let text = if app.throttle.count(&coupon::throttled(me.account.id)).is_err() {
        "Too many tries. Wait a minute before you try another code.".to_owned()
    } else {
        match coupon::redeem(&app.db, me.account.id, &fields.code, app.clock.now()).await {
            Ok(_) => return Ok(see_with(&app, "/app/billing", "coupon_redeemed").into_response()),
            Err(CouponError::Database(error)) => return Err(error.into()),
            Err(CouponError::Redeemed) => "You have this coupon already.".into(),
            Err(CouponError::Full) => "You have two coupons already; more cannot be combined.".into(),
            Err(CouponError::Currency { coupon, .. }) => format!("This coupon is for accounts in {}.", coupon.to_uppercase()),
            Err(_) => "There is no such coupon. Check the code.".into(),
        }
    };
    let typed = Typed { code: fields.code, ..Typed::default() };
    billing::refused(&app, me, typed, FieldErrors::one("code", text)).await
}
