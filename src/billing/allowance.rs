//! What a call would cost and where its usage belongs: plain numbers for admission, cached for a moment.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use entity::ids::{AccountId, PeriodId, PriceId};
use entity::money::{Nanos, Overflow};
use entity::price::{Cached, Tiers};
use entity::{Time, account};
use moka::future::Cache;
use sea_orm::{DatabaseConnection, DbErr};

use super::{close, plan, rating};

/// A new plan's rate and weight count after this at the latest.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Plain numbers for one account and task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub period_id: PeriodId,
    /// In the account's own time: from then on the admission is stale.
    pub period_ends_at: Time,
    pub price_id: PriceId,
    pub tiers: Tiers,
    /// What a repeated image costs.
    pub cached: Cached,
    pub currency: String,
    pub requests_per_minute: u32,
    /// Calls that are served in a row when accounts wait for one device.
    pub weight: u32,
}

impl Admission {
    /// The most that `quantity` units can cost: what is reserved before the call runs.
    ///
    /// # Errors
    /// When that does not fit 64 bits.
    pub fn worst(&self, quantity: i64) -> Result<Nanos, Overflow> {
        rating::worst(&self.tiers, quantity)
    }
}

/// Why there is no price.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AllowanceError {
    /// The account has no subscription.
    #[error("the account has no plan")]
    NoPlan,
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
    cache: Cache<(AccountId, String), Arc<Admission>>,
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
    /// What `task` costs the account now.
    ///
    /// # Errors
    /// When the account has no plan, the plan does not sell the task, or the database refuses.
    pub async fn price_of(
        &self,
        db: &DatabaseConnection,
        account: &account::Model,
        task: &str,
        wall_now: Time,
    ) -> Result<Arc<Admission>, AllowanceError> {
        let key = (account.id, task.to_owned());
        if let Some(known) = self.cache.get(&key).await {
            if account.now(wall_now) < known.period_ends_at {
                return Ok(known);
            }
            self.cache.invalidate(&key).await;
        }
        // Of many calls that find nothing one asks the database and the others wait for it.
        let read = async { read(db, account, task, wall_now).await.map(Arc::new) };
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

    /// Forgets an account and task, after its period turned out to be closed.
    pub async fn forget(&self, account: AccountId, task: &str) {
        self.cache.invalidate(&(account, task.to_owned())).await;
    }
}

async fn read(db: &DatabaseConnection, account: &account::Model, task: &str, wall_now: Time) -> Result<Admission, AllowanceError> {
    let (version, prices) = plan::current(db, account.id).await?.ok_or(AllowanceError::NoPlan)?;
    let price = prices.into_iter().find(|price| price.task == task).ok_or_else(|| AllowanceError::NoPrice(task.into()))?;
    let period = close::open_period(db, account, wall_now).await?.ok_or(AllowanceError::NoPlan)?;
    Ok(Admission {
        period_id: period.id,
        period_ends_at: period.ends_at,
        price_id: price.id,
        tiers: price.tiers,
        cached: price.cached,
        currency: version.currency,
        // The columns' CHECKs keep them positive.
        weight: version.weight.unsigned_abs(),
        requests_per_minute: version.requests_per_minute.unsigned_abs(),
    })
}
