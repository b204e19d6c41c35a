//! What past periods would have cost under another plan: the same usage, rated again. Changes nothing.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate, NaiveTime};
use entity::ids::{AccountId, PeriodId, PlanVersionId};
use entity::money::{Nanos, Overflow};
use entity::price::{self, Cached, Megapixels, Meter};
use entity::{Time, account, period, plan_version, subscription, usage_archived};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, Statement};

use super::allowance::most_units;
use super::plan::{self, PlanFile};
use super::proration::Share;
use super::{credit, rating};
use crate::metering::archive::Month;

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("there is no account {0}")]
    NoAccount(AccountId),
    #[error("plan {plan}: currency: expected {account} as the account's, found {found}")]
    Currency { plan: String, account: String, found: String },
    #[error("period {period}: {overflow}")]
    Overflow { period: PeriodId, overflow: Overflow },
    #[error(
        "period {period} has calls in {month}, which is archived: `lensmeter archive restore {month}` brings it back for as long as you like"
    )]
    Archived { period: PeriodId, month: Month },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// One period under both plans, before coupons, credit and tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repriced {
    pub account: AccountId,
    pub name: String,
    /// In the account's own time, the end excluded.
    pub period: (Time, Time),
    /// Usage goes on: both sums are as of now.
    pub is_open: bool,
    pub calls: i64,
    /// Fee, usage, minimums.
    pub old: Nanos,
    pub new: Nanos,
    /// Calls that the other plan does not sell. They cost nothing in `new`.
    pub unsold: i64,
}

/// All periods that were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    pub currency: String,
    pub periods: Vec<Repriced>,
    /// Periods of accounts in another currency.
    pub skipped: usize,
}

impl Simulation {
    /// Old and new of all periods.
    ///
    /// # Errors
    /// When a sum does not fit.
    pub fn totals(&self) -> Result<(Nanos, Nanos), Overflow> {
        let add = |(old, new): (Nanos, Nanos), row: &Repriced| Ok((old.checked_add(row.old)?, new.checked_add(row.new)?));
        self.periods.iter().try_fold((Nanos(0), Nanos(0)), add)
    }
}

/// Calls of a period that are priced alike.
#[derive(Debug, FromQueryResult)]
struct Calls {
    task: String,
    model: String,
    size: String,
    /// Repeated images that were free. Others that were repeated are not told from the rest.
    free: bool,
    calls: i64,
    compute_us: i64,
}

/// The first instant of a month and that of the next, UTC; `None` for what is not `YYYY-MM`.
#[must_use]
pub fn month(text: &str) -> Option<(Time, Time)> {
    let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok().filter(|_| text.len() == 7)?;
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Some((midnight(first), midnight(first.checked_add_months(Months::new(1))?)))
}

/// Rates the periods that began in [`from`, `to`) as if their accounts had been on the plan.
///
/// # Errors
/// See [`SimulateError`].
pub async fn simulate(
    db: &impl ConnectionTrait,
    file: &PlanFile,
    (from, to): (Time, Time),
    only: Option<AccountId>,
) -> Result<Simulation, SimulateError> {
    let prices: Vec<price::Model> = file.prices.iter().cloned().map(|price| price.row(PlanVersionId::new())).collect();
    let accounts = accounts(db, file, only).await?;
    let mut found = Simulation { currency: file.currency.clone(), periods: Vec::new(), skipped: 0 };
    let within = period::Entity::find().filter(period::Column::StartsAt.gte(from)).filter(period::Column::StartsAt.lt(to));
    for period in within.order_by_asc(period::Column::StartsAt).order_by_asc(period::Column::AccountId).all(db).await? {
        match accounts.get(&period.account_id) {
            Some(account) if account.currency == file.currency => found.periods.push(compare(db, file, &prices, account, &period).await?),
            Some(_) => found.skipped += 1,
            None => {}
        }
    }
    Ok(found)
}

async fn accounts(
    db: &impl ConnectionTrait,
    file: &PlanFile,
    only: Option<AccountId>,
) -> Result<BTreeMap<AccountId, account::Model>, SimulateError> {
    let Some(id) = only else {
        return Ok(account::Entity::find().all(db).await?.into_iter().map(|account| (account.id, account)).collect());
    };
    let account = account::Entity::find_by_id(id).one(db).await?.ok_or(SimulateError::NoAccount(id))?;
    if account.currency != file.currency {
        return Err(SimulateError::Currency { plan: file.code.clone(), account: account.currency, found: file.currency.clone() });
    }
    Ok(BTreeMap::from([(id, account)]))
}

async fn compare(
    db: &impl ConnectionTrait,
    file: &PlanFile,
    prices: &[price::Model],
    account: &account::Model,
    period: &period::Model,
) -> Result<Repriced, SimulateError> {
    let overflow = |overflow| SimulateError::Overflow { period: period.id, overflow };
    let gone = || DbErr::RecordNotFound(format!("the plan of period {}", period.id));
    let subscription = subscription::Entity::find_by_id(period.subscription_id).one(db).await?.ok_or_else(gone)?;
    let version = plan_version::Entity::find_by_id(subscription.plan_version_id).one(db).await?.ok_or_else(gone)?;
    let mut share = Share::of(period, &subscription);
    if !credit::had_paid_before(db, account.id, period.ends_at).await? {
        // No fee and no minimum is due before the first top-up.
        share.from = share.to;
    }
    let charged = quantities(db, period).await?;
    let own: Vec<_> = plan::prices_of(db, &version).await?;
    let old = own.iter().map(|price| (price, charged.get(&price.id.0).copied().unwrap_or(0)));
    let calls = calls(db, period).await?;
    // After the calls: a month that was archived while they were read is seen here.
    if let Some(month) = archived(db, period).await? {
        return Err(SimulateError::Archived { period: period.id, month });
    }
    let (counted, unsold) = assign(prices, &calls);
    let new = prices.iter().zip(counted);
    let exponent = account.exponent();
    Ok(Repriced {
        account: account.id,
        name: account.name.clone(),
        period: (period.starts_at, period.ends_at),
        is_open: period.state == period::State::Open,
        calls: calls.iter().map(|group| group.calls).sum(),
        old: due(version.base_fee_minor, old, &share, exponent).map_err(overflow)?,
        new: due(file.base_fee, new, &share, exponent).map_err(overflow)?,
        unsold,
    })
}

/// The fee and what the units of each price come to when a period closes.
fn due<'a>(
    fee: entity::money::Minor,
    units: impl Iterator<Item = (&'a price::Model, i64)>,
    share: &Share,
    exponent: u32,
) -> Result<Nanos, Overflow> {
    let mut sum = entity::money::Minor(share.part(fee.0)?).nanos(exponent)?;
    for (price, quantity) in units {
        let rate = price.rate();
        let closing = rating::at_close(&rate, quantity, share)?;
        for amount in [rating::charge(&rate, 0, quantity)?, closing.volume, closing.minimum] {
            sum = sum.checked_add(amount)?;
        }
    }
    Ok(sum)
}

/// Units of each price, and calls that none of them is for.
fn assign(prices: &[price::Model], calls: &[Calls]) -> (Vec<i64>, i64) {
    let (mut counted, mut unsold) = (vec![0; prices.len()], 0);
    for group in calls {
        // The query gives no other names.
        let size = Megapixels::ALL.into_iter().find(|size| size.as_str() == group.size).unwrap_or(Megapixels::Above);
        let fitting = prices.iter().enumerate().filter(|(_, price)| price.fits(&group.task, &group.model, size));
        let Some((index, price)) = fitting.max_by_key(|(_, price)| price.specificity()) else {
            unsold += group.calls;
            continue;
        };
        if !(group.free && price.cached == Cached::Free) {
            counted[index] += match price.meter {
                Meter::Calls | Meter::Images => group.calls,
                Meter::TokensIn | Meter::TokensOut => 0,
                Meter::ComputeTime => group.compute_us,
            };
        }
    }
    (counted, unsold)
}

async fn quantities(db: &impl ConnectionTrait, period: &period::Model) -> Result<BTreeMap<uuid::Uuid, i64>, DbErr> {
    let sql = "SELECT price_id, sum(quantity)::bigint AS quantity FROM usage_rollup
               WHERE account_id = $1 AND period_id = $2 GROUP BY price_id";
    let values = [period.account_id.0.into(), period.id.0.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    rows.iter().map(|row| Ok((row.try_get("", "price_id")?, row.try_get("", "quantity")?))).collect()
}

/// Summed by the database, from the events: another plan may count what the rollups do not hold.
async fn calls(db: &impl ConnectionTrait, period: &period::Model) -> Result<Vec<Calls>, DbErr> {
    let sql = "SELECT task, model, quantity = 0 AS free,
                      CASE WHEN pixels <= 250000 THEN '0.25' WHEN pixels <= 500000 THEN '0.5' WHEN pixels <= 1000000 THEN '1'
                           WHEN pixels <= 2000000 THEN '2' WHEN pixels <= 4000000 THEN '4' WHEN pixels <= 8000000 THEN '8'
                           ELSE '8+' END AS size,
                      count(*)::bigint AS calls, sum(least(compute_us, $2))::bigint AS compute_us
               FROM usage_event WHERE period_id = $1 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    let values = [period.id.0.into(), most_units(Meter::ComputeTime).into()];
    Calls::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await
}

/// The first month of which calls of a period are in a file.
async fn archived(db: &impl ConnectionTrait, period: &period::Model) -> Result<Option<Month>, DbErr> {
    let own = usage_archived::Entity::of(period.account_id).filter(usage_archived::Column::PeriodId.eq(period.id));
    let first = own.order_by_asc(usage_archived::Column::Month).one(db).await?;
    Ok(first.map(|sums| Month::from(sums.month)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_or_refused() {
        let (from, to) = month("2026-12").unwrap();
        assert_eq!((from.to_rfc3339(), to.to_rfc3339()), ("2026-12-01T00:00:00+00:00".into(), "2027-01-01T00:00:00+00:00".into()));
        for wrong in ["2026-13", "2026-1", "26-12", "2026-12-01", "", "ten"] {
            assert!(month(wrong).is_none(), "{wrong}");
        }
    }
}
