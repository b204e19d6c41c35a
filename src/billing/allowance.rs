//! What a call would cost and where its usage belongs: plain numbers for admission, cached for a moment.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::ids::{AccountId, PeriodId, PriceId};
use entity::money::{Nanos, Overflow};
use entity::price::{self, Cached, Megapixels, Meter, Rate};
use entity::subscription::EndReason;
use entity::{Time, account, subscription};
use moka::future::Cache;
use sea_orm::{DatabaseConnection, DbErr, QueryOrder as _};

use super::{close, plan, rating};
use crate::metering::{Charge, report};

/// How long an admission is remembered; a new plan's rate and weight count after this at the latest.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Nobody is refused for what was read longer ago than this.
const OLD: Duration = Duration::from_secs(1);
/// A call is never charged for more device time than this: what is reserved for it must have a bound.
const MOST_COMPUTE_US: i64 = 5_000_000;

/// Plain numbers for one account, task and model.
#[derive(Debug, Clone)]
pub struct Admission {
    pub period_id: PeriodId,
    /// In the account's own time: from then on the admission is stale.
    pub period_ends_at: Time,
    /// The model that was asked for. Its price counts, whoever answers.
    pub model: String,
    /// By the size of the image, from the smallest class on; mostly one and the same.
    prices: [Arc<Priced>; Megapixels::ALL.len()],
    pub currency: String,
    pub requests_per_minute: u32,
    /// Calls that are served in a row when accounts wait for one device.
    pub weight: u32,
    read_at: Instant,
}

/// The price of a call.
#[derive(Debug)]
pub struct Priced {
    pub price_id: PriceId,
    meter: Meter,
    rate: Arc<Rate>,
    /// What a repeated image costs.
    pub cached: Cached,
    /// What the price had counted when this was read. More is counted since then, never less.
    counted: i64,
}

/// What was measured of a call that was served.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub images: i64,
    /// Microseconds of device time: the call's share of its batch.
    pub compute_us: i64,
    pub tokens_in: i64,
    pub tokens_out: i64,
}

impl Admission {
    /// The price of an image of so many pixels.
    pub fn price(&self, pixels: i64) -> &Priced {
        &self.prices[Megapixels::of(pixels) as usize]
    }

    /// Whether it was read too long ago to refuse a call for it: what a price counts grows meanwhile, and a call behind the dear
    /// tier or after a flat price needs less than this says.
    pub fn is_old(&self) -> bool {
        self.read_at.elapsed() > OLD
    }

    /// The most that so many calls can cost now, whatever the size of their images: what is reserved before one runs.
    ///
    /// # Errors
    /// When that does not fit 64 bits.
    pub fn worst(&self, calls: i64) -> Result<Nanos, Overflow> {
        self.dearest(calls, |priced| priced.counted)
    }

    /// The most that a call can cost in any period of the plan: what is promised to who asks for it ahead.
    ///
    /// # Errors
    /// When that does not fit 64 bits.
    pub fn worst_ever(&self) -> Result<Nanos, Overflow> {
        self.dearest(1, |_| 0)
    }

    fn dearest(&self, calls: i64, counted: impl Fn(&Priced) -> i64) -> Result<Nanos, Overflow> {
        let mut dearest = Nanos(0);
        for (index, priced) in self.prices.iter().enumerate() {
            // Neighbours are mostly the same.
            if index == 0 || !Arc::ptr_eq(priced, &self.prices[index - 1]) {
                let units = most_units(priced.meter).checked_mul(calls).ok_or(Overflow)?;
                dearest = dearest.max(rating::worst(&priced.rate, counted(priced), units)?);
            }
        }
        Ok(dearest)
    }
}

impl Priced {
    /// Units of a call that its meter counts.
    pub fn quantity(&self, measured: &Measured) -> i64 {
        match self.meter {
            Meter::Calls => 1,
            Meter::Images => measured.images,
            Meter::TokensIn => measured.tokens_in,
            Meter::TokensOut => measured.tokens_out,
            Meter::ComputeTime => measured.compute_us.clamp(0, MOST_COMPUTE_US),
        }
    }

    /// What units of it cost, for the writer of usage.
    pub fn charge(&self) -> Charge {
        let rate = Arc::clone(&self.rate);
        Arc::new(move |before, quantity| rating::charge(&rate, before, quantity))
    }
}

/// Units that one call can count at most. The tasks that there are count no tokens.
pub(super) fn most_units(meter: Meter) -> i64 {
    match meter {
        Meter::Calls | Meter::Images => 1,
        Meter::TokensIn | Meter::TokensOut => 0,
        Meter::ComputeTime => MOST_COMPUTE_US,
    }
}

/// Why there is no price.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AllowanceError {
    /// The account has no subscription.
    #[error("the account has no plan")]
    NoPlan,
    /// The customer paused it.
    #[error("the subscription is paused: resume it under Billing")]
    Paused,
    /// The customer ended it.
    #[error("the subscription was canceled: choose a plan under Billing")]
    Canceled,
    /// The plan does not sell the task.
    #[error("the plan does not include {0}")]
    NoPrice(String),
    #[error("{0}")]
    Database(Arc<DbErr>),
}

impl From<DbErr> for AllowanceError {
    fn from(error: DbErr) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// Admissions, each remembered for [`REMEMBERED`]. Cheap to clone.
///
/// Nothing that is remembered can be wrong without its period being closed: prices and plans change with the period only. A
/// closed one is seen by the writer of usage under its lock, and [`close::open_period`] is asked again; so no event is lost,
/// late, or charged an old price.
#[derive(Clone)]
pub struct Allowances {
    cache: Cache<(AccountId, &'static str, String), Arc<Admission>>,
    paces: Cache<AccountId, NonZeroU32>,
}

impl Default for Allowances {
    fn default() -> Self {
        Self {
            cache: Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED).build(),
            paces: Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED).build(),
        }
    }
}

impl Allowances {
    /// What `task` by `model` costs the account now.
    ///
    /// # Errors
    /// When the account has no plan, the plan does not sell the task, or the database refuses.
    pub async fn price_of(
        &self,
        db: &DatabaseConnection,
        account: &account::Model,
        task: &'static str,
        model: &str,
        wall_now: Time,
    ) -> Result<Arc<Admission>, AllowanceError> {
        let key = (account.id, task, model.to_owned());
        if let Some(known) = self.cache.get(&key).await {
            if account.now(wall_now) < known.period_ends_at {
                return Ok(known);
            }
            self.cache.invalidate(&key).await;
        }
        // Of many calls that find nothing one asks the database and the others wait for it.
        let read = async { read(db, account, task, model, wall_now).await.map(Arc::new) };
        // Boxed: rare, and every layer above would move it.
        Box::pin(self.cache.try_get_with(key, read)).await.map_err(|error| AllowanceError::clone(&error))
    }

    /// How many calls per minute the account's plan allows; a new plan counts after half a minute at the latest. `None`: the
    /// account has no plan.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pace_of(&self, db: &DatabaseConnection, account: AccountId) -> Result<Option<NonZeroU32>, AllowanceError> {
        if let Some(pace) = self.paces.get(&account).await {
            return Ok(Some(pace));
        }
        let read = async {
            let plan = plan::current(db, account).await?;
            plan.and_then(|(version, _)| NonZeroU32::new(version.requests_per_minute.unsigned_abs())).ok_or(AllowanceError::NoPlan)
        };
        match Box::pin(self.paces.try_get_with(account, read)).await.map_err(|error| AllowanceError::clone(&error)) {
            Err(AllowanceError::NoPlan) => Ok(None),
            pace => pace.map(Some),
        }
    }

    /// Forgets what an account pays for a task by a model, after its period turned out to be closed.
    pub async fn forget(&self, account: AccountId, task: &'static str, model: &str) {
        self.cache.invalidate(&(account, task, model.to_owned())).await;
    }
}

async fn read(
    db: &DatabaseConnection,
    account: &account::Model,
    task: &str,
    model: &str,
    wall_now: Time,
) -> Result<Admission, AllowanceError> {
    let read_at = Instant::now();
    // First: what is due ends the period, and with it may change the plan.
    let Some(period) = close::open_period(db, account, wall_now).await? else { return Err(no_plan(db, account.id).await?) };
    let Some((version, prices)) = plan::current(db, account.id).await? else { return Err(no_plan(db, account.id).await?) };
    let counted = report::counters(db, account.id, period.id).await?;
    let sold = Megapixels::ALL.map(|size| {
        let fitting = prices.iter().enumerate().filter(|(_, price)| price.fits(task, model, size));
        fitting.max_by_key(|(_, price)| price.specificity()).map(|(index, _)| index)
    });
    let priced = |price: &price::Model| {
        let counted = counted.get(&price.id).copied().unwrap_or(0);
        Arc::new(Priced { price_id: price.id, meter: price.meter, rate: Arc::new(price.rate()), cached: price.cached, counted })
    };
    let priced: Vec<Arc<Priced>> = prices.iter().map(priced).collect();
    // The catalogue has a price for every size or for none.
    let [Some(_), ..] = sold else { return Err(AllowanceError::NoPrice(task.into())) };
    let prices = sold.map(|index| Arc::clone(&priced[index.or(sold[0]).unwrap_or_default()]));
    Ok(Admission {
        period_id: period.id,
        period_ends_at: period.ends_at,
        model: model.to_owned(),
        prices,
        currency: version.currency,
        // The columns' CHECKs keep them positive.
        weight: version.weight.unsigned_abs(),
        requests_per_minute: version.requests_per_minute.unsigned_abs(),
        read_at,
    })
}

/// Why an account has no plan now.
async fn no_plan(db: &DatabaseConnection, account: AccountId) -> Result<AllowanceError, DbErr> {
    let last = subscription::Entity::of(account).order_by_desc(subscription::Column::StartedAt).one(db).await?;
    Ok(match last.and_then(|last| last.end_reason) {
        Some(EndReason::Paused) => AllowanceError::Paused,
        Some(EndReason::Canceled) => AllowanceError::Canceled,
        _ => AllowanceError::NoPlan,
    })
}
