//! What calls would cost an account now, without making any.

use entity::money::{Nanos, Overflow};
use entity::price::{Cached, Megapixels, Meter, Model};
use entity::{Time, account};
use sea_orm::{DatabaseConnection, DbErr};

use super::allowance::most_units;
use super::{close, plan, rating};
use crate::metering::report;

/// What calls of one price would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    price: Model,
    /// After what was used this period, exact; of device time, which is only known afterwards, the most. An error where it
    /// does not fit 64 bits.
    pub amount: Result<Nanos, Overflow>,
    pub currency: String,
}

impl Quote {
    /// The price in words.
    #[must_use]
    pub fn description(&self) -> String {
        self.price.described()
    }

    /// What a repeated image costs.
    #[must_use]
    pub fn cached(&self) -> Cached {
        self.price.cached
    }

    /// `None`: it is for every task that has no price of its own.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.price.task.as_deref()
    }
}

/// What the account's plan asks for a task and model; of an image whose size is not known, the most.
#[must_use]
pub fn of<'a>(quotes: &'a [Quote], task: &str, model: &str) -> Option<&'a Quote> {
    let best =
        |size: Megapixels| quotes.iter().filter(|quote| quote.price.fits(task, model, size)).max_by_key(|quote| quote.price.specificity());
    // An amount that does not fit is the largest.
    Megapixels::ALL.into_iter().filter_map(best).max_by_key(|quote| quote.amount.map_or(Nanos(i64::MAX), |amount| amount))
}

/// Quotes so many calls at every price of the account's plan; none before it has a plan.
///
/// # Errors
/// When the database refuses.
pub async fn quotes(db: &DatabaseConnection, account: &account::Model, calls: i64, wall_now: Time) -> Result<Vec<Quote>, DbErr> {
    let Some((version, prices)) = plan::current(db, account.id).await? else { return Ok(Vec::new()) };
    let counted = match close::open_period(db, account, wall_now).await? {
        Some(period) => report::counters(db, account.id, period.id).await?,
        None => Default::default(),
    };
    let quote = |price: Model| {
        let before = counted.get(&price.id).copied().unwrap_or(0);
        let units = most_units(price.meter).checked_mul(calls).ok_or(Overflow);
        let amount = units.and_then(|units| match price.meter {
            Meter::ComputeTime => rating::worst(&price.rate(), before, units),
            _ => rating::charge(&price.rate(), before, units),
        });
        Quote { price, amount, currency: version.currency.clone() }
    };
    Ok(prices.into_iter().map(quote).collect())
}
