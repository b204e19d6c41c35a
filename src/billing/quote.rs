//! What units would cost an account now, without using any.

use entity::money::{Nanos, Overflow};
use entity::price::Cached;
use entity::{Time, account};
use sea_orm::{DatabaseConnection, DbErr};

use super::{close, plan, rating};
use crate::metering::report;

/// What units of one task would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub task: String,
    /// After what was used this period, exact; an error where it does not fit 64 bits.
    pub amount: Result<Nanos, Overflow>,
    pub currency: String,
    /// The price in words.
    pub description: String,
    /// What a repeated image costs.
    pub cached: Cached,
}

/// Quotes `quantity` units of every task that the account's plan sells; of none before it has a plan.
///
/// # Errors
/// When the database refuses.
pub async fn quotes(db: &DatabaseConnection, account: &account::Model, quantity: i64, wall_now: Time) -> Result<Vec<Quote>, DbErr> {
    let Some((version, prices)) = plan::current(db, account.id).await? else { return Ok(Vec::new()) };
    let period = close::open_period(db, account, wall_now).await?;
    let mut quotes = Vec::new();
    for price in prices {
        let before = match &period {
            Some(period) => report::counted(db, account.id, period.id, price.id).await?,
            None => 0,
        };
        quotes.push(Quote {
            amount: rating::charge(&price.tiers, before, quantity),
            currency: version.currency.clone(),
            description: price.described(),
            cached: price.cached,
            task: price.task,
        });
    }
    Ok(quotes)
}
