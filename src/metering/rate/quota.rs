//! What a subject may do, and where it stands.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::platform::gcra::Rate;

/// Calls at once, at least, however few there may be per minute.
const LEAST_BURST: u32 = 10;
/// Calls under way, at least.
const LEAST_CONCURRENT: u32 = 32;

/// What a subject may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls per window.
    pub calls: u64,
    /// Evens calls out within the window; none: all may come at once.
    pub burst: Option<Rate>,
    /// Calls under way.
    pub concurrent: u32,
}

impl Quota {
    /// Of a plan that allows so many calls per minute: a tenth of them at once, a fifth under way.
    pub fn of_plan(per_minute: NonZeroU32) -> Self {
        let calls = per_minute.get();
        let burst = (calls / 10).max(LEAST_BURST.min(calls));
        let interval = Duration::from_nanos(60_000_000_000_u64 / u64::from(calls));
        Self { calls: calls.into(), burst: Some(Rate { interval, burst }), concurrent: (calls / 5).max(LEAST_CONCURRENT) }
    }

    /// Of a key that is allowed so many calls per minute, in whatever rhythm.
    pub fn of_key(per_minute: NonZeroU32) -> Self {
        Self { calls: per_minute.get().into(), burst: None, concurrent: u32::MAX }
    }
}

/// Where a policy stands after a call was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub policy: &'static str,
    pub quota: u64,
    /// Of calls per time; none: it limits calls under way.
    pub window: Option<Duration>,
    /// How many more, as far as this replica knows.
    pub left: u64,
    /// When the quota is whole again.
    pub resets_in: Duration,
}
