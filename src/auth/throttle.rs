//! Slows down who guesses passwords: by address of the network and by address of the account, in this process.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Tries that may come at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Then one more after each of these.
const PERIOD: Duration = Duration::from_secs(30);

/// Counts tries per key (GCRA). Shared by handle.
pub struct Throttle {
    limiter: DefaultKeyedRateLimiter<String>,
}

impl Default for Throttle {
    fn default() -> Self {
        let quota = Quota::with_period(PERIOD).expect("thirty seconds are not zero").allow_burst(BURST);
        Self { limiter: RateLimiter::keyed(quota) }
    }
}

impl Throttle {
    /// Counts a try.
    ///
    /// # Errors
    /// With how long to wait when there were too many.
    pub fn count(&self, key: &str) -> Result<(), Duration> {
        // Keys that filled up again are forgotten now and then, or a flood of addresses would stay in memory.
        if self.limiter.len() > 10_000 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key.to_owned()).map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}
