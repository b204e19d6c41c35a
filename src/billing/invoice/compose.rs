//! The document of a period as it would be, or is, made: the same for a preview and for the draft.

use entity::ids::CouponRedemptionId;
use entity::money::{Minor, Nanos};
use entity::{account, coupon, period};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::charges::{self, Charges};
use super::draft::DraftError;
use super::total::{self, Terms, Totals};
use crate::billing::credit::burn::{self, Taken};
use crate::billing::{coupon as coupons, provider, tax};
use crate::platform::config::Seller;

/// A document before it is stored.
pub(super) struct Composed {
    pub charges: Charges,
    pub terms: Terms,
    pub totals: Totals,
    /// What it takes from which grant.
    pub taken: Vec<Taken>,
    /// Of each coupon of the terms.
    pub redemptions: Vec<CouponRedemptionId>,
}

/// Composes the document of a period. Changes nothing.
///
/// # Errors
/// See [`DraftError`].
pub(super) async fn compose(
    db: &impl ConnectionTrait,
    account: &account::Model,
    period: &period::Model,
    seller: &Seller,
) -> Result<Composed, DraftError> {
    let charges = charges::of(db, account, period).await?;
    let taken = burn::plan(&burn::grants(db, account.id, period.ends_at).await?, total::coverable(&charges.lines)?);
    let (redemptions, coupons) = coupons::of_period(db, period).await?.into_iter().map(|(id, coupon)| (id, frozen(coupon))).unzip();
    let terms = Terms {
        burnt: burn::sum(&taken)?,
        promotional: burn::sum(taken.iter().filter(|taken| taken.is_gift()))?,
        coupons,
        tax: tax::rule_for(seller, account),
        carried_in: carried(db, account).await?,
        // Below it the provider charges nothing and keeps the amount on a balance of its own, which the next invoice would then
        // disagree with. We carry it on ourselves.
        least_charge: provider::capabilities(&account.currency).least_charge,
    };
    let totals = total::add_up(&charges.lines, &terms, account.exponent())?;
    Ok(Composed { charges, terms, totals, taken, redemptions })
}

impl Composed {
    /// What was debited for usage and is not charged after all: it goes back to the account's balance.
    ///
    /// # Errors
    /// When a sum does not fit.
    pub fn rebate(&self) -> Result<Nanos, DraftError> {
        let mut given_back = self.charges.lines.iter().filter(|line| line.kind == entity::invoice_line::Kind::Volume);
        let sum = given_back.try_fold(Nanos(0), |sum, line| sum.checked_sub(line.exact))?;
        Ok(sum)
    }
}

fn frozen(coupon: coupon::Model) -> total::Coupon {
    total::Coupon { code: coupon.code, description: coupon.description, basis_points: coupon.percent_bp, amount: coupon.amount_minor }
}

/// What issued documents left for the next one. Withdrawn ones left nothing.
async fn carried(db: &impl ConnectionTrait, account: &account::Model) -> Result<Minor, DbErr> {
    let statement = "SELECT coalesce(sum(carried_out_minor - carried_in_minor), 0)::bigint AS carried
                     FROM invoice WHERE account_id = $1 AND document_state IN ('open', 'uncollectible')";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), statement, [account.id.0.into()]);
    let row = db.query_one_raw(statement).await?;
    row.map_or(Ok(Minor(0)), |row| row.try_get("", "carried").map(Minor))
}
