//! Requests per minute and account, in this process (GCRA).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::ids::AccountId;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

type Limiter = Arc<DefaultKeyedRateLimiter<AccountId>>;

/// One limiter per allowance: accounts with the same plan share it. Cheap to clone.
#[derive(Clone, Default)]
pub struct RateLimits {
    by_allowance: Arc<Mutex<HashMap<u32, Limiter>>>,
}

impl RateLimits {
    /// Counts a request of the account, which may make `per_minute` of them, a tenth of these at once.
    ///
    /// # Errors
    /// With how long to wait.
    pub fn count(&self, account: AccountId, per_minute: NonZeroU32) -> Result<(), Duration> {
        let limiter = self.limiter(per_minute);
        limiter.check_key(&account).map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }

    fn limiter(&self, per_minute: NonZeroU32) -> Limiter {
        let mut limiters = self.by_allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters.entry(per_minute.get()).or_insert_with(|| {
            let burst = NonZeroU32::new(per_minute.get() / 10).unwrap_or(NonZeroU32::MIN);
            Arc::new(RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)))
        });
        limiter.clone()
    }

    /// Forgets accounts whose allowance is whole again.
    pub fn sweep(&self) {
        for limiter in self.by_allowance.lock().unwrap_or_else(PoisonError::into_inner).values() {
            limiter.retain_recent();
        }
    }
}
