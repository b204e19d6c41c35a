//! Coupons: an operator makes one, an account redeems it, and invoices of the periods that it covers have it taken off.

use chrono::Months;
use entity::coupon::{self, Duration};
use entity::ids::{AccountId, CouponId, CouponRedemptionId};
use entity::money::Minor;
use entity::{Time, account, coupon_redemption, period};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement,
    TransactionTrait as _,
};

use crate::platform::db;

/// Coupons that one invoice may have.
pub const AT_ONCE: usize = 2;

/// What a new coupon takes off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Off {
    /// Hundredths of a per cent, 1 to 10 000.
    Percent(i32),
    Amount(Minor, String),
}

/// A coupon to be made.
#[derive(Debug, Clone)]
pub struct NewCoupon {
    pub code: String,
    pub description: String,
    pub off: Off,
    pub duration: Duration,
    /// Of a repeating one.
    pub months: Option<i32>,
}

/// Why there is no coupon, or none more.
#[derive(Debug, thiserror::Error)]
pub enum CouponError {
    #[error("{field}: {reason}")]
    Invalid { field: &'static str, reason: &'static str },
    #[error("there is a coupon {0} already")]
    Taken(String),
    #[error("there is no coupon {0}")]
    Unknown(String),
    #[error("the coupon is in {coupon}, the account in {account}")]
    Currency { coupon: String, account: String },
    #[error("the account has this coupon already")]
    Redeemed,
    #[error("the account has {AT_ONCE} coupons already")]
    Full,
    #[error("there is no such account")]
    NoAccount,
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Makes a coupon. It never changes; a better one gets a code of its own.
///
/// # Errors
/// When a field is out of bounds, with its name; when the code is taken.
pub async fn create_in(txn: &impl ConnectionTrait, new: NewCoupon, now: Time) -> Result<coupon::Model, CouponError> {
    check(&new)?;
    let (percent_bp, amount_minor, currency) = match new.off {
        Off::Percent(basis_points) => (Some(basis_points), None, None),
        Off::Amount(amount, currency) => (None, Some(amount), Some(currency)),
    };
    let row = coupon::Model {
        id: CouponId::new(),
        code: new.code,
        description: new.description,
        percent_bp,
        amount_minor,
        currency,
        duration: new.duration,
        months: new.months,
        created_at: now,
    };
    match coupon::Entity::insert(coupon::ActiveModel::from(row.clone())).exec_without_returning(txn).await {
        Err(error) if db::is_unique_violation(&error) => Err(CouponError::Taken(row.code)),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(row),
    }
}

fn check(new: &NewCoupon) -> Result<(), CouponError> {
    let invalid = |field, reason| Err(CouponError::Invalid { field, reason });
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if !(2..=40).contains(&new.code.len()) || !new.code.bytes().all(letter) {
        return invalid("code", "expected 2 to 40 capitals, digits, `-` and `_`");
    }
    if new.description.trim().is_empty() || new.description.chars().count() > 200 {
        return invalid("description", "expected 1 to 200 letters: it stands on the invoice");
    }
    match &new.off {
        Off::Percent(basis_points) if !(1..=10_000).contains(basis_points) => {
            return invalid("percent", "expected more than 0, at most 100");
        }
        Off::Amount(amount, _) if amount.0 <= 0 => return invalid("amount", "expected more than nothing"),
        Off::Percent(_) | Off::Amount(..) => {}
    }
    match (new.duration, new.months) {
        (Duration::Repeating, Some(1..=120)) | (Duration::Once | Duration::Forever, None) => Ok(()),
        (Duration::Repeating, _) => invalid("months", "expected 1 to 120"),
        _ => invalid("months", "only a repeating coupon has months"),
    }
}

/// Gives an account a coupon from `wall_now` on, in the account's own time.
///
/// # Errors
/// When there is none of that code, it is in another currency, the account had it before, or has two others.
pub async fn redeem(
    db: &DatabaseConnection,
    id: AccountId,
    code: &str,
    wall_now: Time,
) -> Result<(coupon_redemption::Model, coupon::Model), CouponError> {
    let code = code.trim().to_uppercase();
    let txn = db.begin().await?;
    // Lock the account, then count: two at once do not make three.
    let account = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?.ok_or(CouponError::NoAccount)?;
    let found = coupon::Entity::find().filter(coupon::Column::Code.eq(&code)).one(&txn).await?;
    let coupon = found.ok_or(CouponError::Unknown(code))?;
    if let Some(currency) = coupon.currency.as_ref().filter(|currency| **currency != account.currency) {
        return Err(CouponError::Currency { coupon: currency.clone(), account: account.currency });
    }
    let now = account.now(wall_now);
    let before = coupon_redemption::Entity::of(id).all(&txn).await?;
    if before.iter().any(|one| one.coupon_id == coupon.id) {
        return Err(CouponError::Redeemed);
    }
    if held(&txn, id, now).await?.len() >= AT_ONCE {
        return Err(CouponError::Full);
    }
    let months = coupon.months.map(|months| Months::new(months.unsigned_abs()));
    let row = coupon_redemption::Model {
        id: CouponRedemptionId::new(),
        account_id: id,
        coupon_id: coupon.id,
        redeemed_at: now,
        ends_at: months.and_then(|months| now.checked_add_months(months)),
    };
    coupon_redemption::Entity::insert(coupon_redemption::ActiveModel::from(row.clone())).exec_without_returning(&txn).await?;
    txn.commit().await?;
    Ok((row, coupon))
}

/// Under which name tries of an account to redeem codes are counted: codes are not for guessing.
#[must_use]
pub fn throttled(account: AccountId) -> String {
    format!("coupon:{account}")
}

/// What an invoice of a period has taken off, in order: per cents before amounts, the older before the newer.
///
/// # Errors
/// When the database refuses.
pub(super) async fn of_period(
    db: &impl ConnectionTrait,
    period: &period::Model,
) -> Result<Vec<(CouponRedemptionId, coupon::Model)>, DbErr> {
    let mut found = held(db, period.account_id, period.starts_at).await?;
    found.retain(|(redemption, _)| redemption.redeemed_at < period.ends_at);
    found.sort_by_key(|(redemption, coupon)| (coupon.percent_bp.is_none(), redemption.id));
    Ok(found.into_iter().map(|(redemption, coupon)| (redemption.id, coupon)).take(AT_ONCE).collect())
}

/// Coupons of an account that a period which starts at `from` may still have.
///
/// # Errors
/// When the database refuses.
pub async fn held(
    db: &impl ConnectionTrait,
    account: AccountId,
    from: Time,
) -> Result<Vec<(coupon_redemption::Model, coupon::Model)>, DbErr> {
    let mut held = Vec::new();
    for redemption in coupon_redemption::Entity::of(account).all(db).await? {
        let Some(coupon) = coupon::Entity::find_by_id(redemption.coupon_id).one(db).await? else { continue };
        let over = redemption.ends_at.is_some_and(|end| end <= from);
        let spent = coupon.duration == Duration::Once && used(db, redemption.id).await?;
        if !over && !spent {
            held.push((redemption, coupon));
        }
    }
    Ok(held)
}

/// Whether a document that was not withdrawn has it.
async fn used(db: &impl ConnectionTrait, redemption: CouponRedemptionId) -> Result<bool, DbErr> {
    let statement = "SELECT 1 FROM coupon_use u JOIN invoice i ON i.id = u.invoice_id
                     WHERE u.redemption_id = $1 AND i.document_state <> 'void' LIMIT 1";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), statement, [redemption.0.into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}
