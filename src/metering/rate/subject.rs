//! One account or key, as this replica counts it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DatabaseConnection;
use tokio::time::timeout;
use uuid::Uuid;

use super::quota::{Quota, Standing};
use super::window;
use crate::platform::gcra::Gcra;

/// A slice should last longer than this, or the next is twice as large,
const TOO_SHORT: Duration = Duration::from_secs(2);
/// and not much longer than this, or the next is half as large.
const TOO_LONG: Duration = Duration::from_secs(10);
const LARGEST: u64 = 1 << 20;
/// Of the first slice, where the window has room: a call in eight asks the database at most.
const FIRST: u64 = 8;
/// How long the database may take before a replica counts by itself, and for how long it then does.
const PATIENCE: Duration = Duration::from_millis(500);
const ALONE: Duration = Duration::from_secs(1);

/// What came of asking for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Here it is; it is of the slice that ends then.
    One(Instant),
    /// Too many at once: wait so long.
    Burst(Duration),
    /// None left in this window: it ends after so long.
    Window(Duration),
}

/// What a replica may still admit in a window without asking.
struct Slice {
    left: u64,
    /// What the window had left for everybody when the slice was taken.
    rest: u64,
    /// The quota that it was taken under.
    quota: u64,
    taken_at: Instant,
    ends_at: Instant,
}

struct State {
    burst: Gcra,
    slice: Option<Slice>,
    /// How many to ask for next.
    size: u64,
}

/// One account or key.
pub(super) struct Subject {
    state: Mutex<State>,
    /// One call asks the database while the others wait.
    refill: tokio::sync::Mutex<()>,
    under_way: AtomicU32,
}

impl Default for Subject {
    fn default() -> Self {
        let state = State { burst: Gcra::default(), slice: None, size: FIRST };
        Self { state: Mutex::new(state), refill: tokio::sync::Mutex::default(), under_way: AtomicU32::new(0) }
    }
}

impl Subject {
    fn state(&self) -> MutexGuard<'_, State> {
        // Changed in single assignments: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call as under way, when there may be one more.
    pub fn enter(&self, most: u32) -> bool {
        let entered = self.under_way.fetch_add(1, Ordering::AcqRel) < most;
        if !entered {
            self.leave();
        }
        entered
    }

    /// A call is over.
    pub fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes one call: from memory while the slice lasts.
    pub async fn take(&self, db: &DatabaseConnection, id: Uuid, quota: Quota, window: Duration) -> Taken {
        if let Some(taken) = self.state().take(quota, Instant::now()) {
            return taken;
        }
        let _turn = self.refill.lock().await;
        // Each round takes from a window that is finite, and an empty one ends it.
        loop {
            if let Some(taken) = self.state().take(quota, Instant::now()) {
                return taken;
            }
            Box::pin(self.refill(db, id, quota, window)).await;
        }
    }

    /// Gives back a call that was taken and then refused by something else.
    pub fn put_back(&self, quota: Quota, slice_ends_at: Instant) {
        let mut state = self.state();
        if let Some(rate) = quota.burst {
            state.burst.put_back(rate);
        }
        // Into another slice, which may be of the next window, nothing is carried over.
        if let Some(slice) = state.slice.as_mut().filter(|slice| slice.ends_at == slice_ends_at) {
            slice.left += 1;
        }
    }

    async fn refill(&self, db: &DatabaseConnection, id: Uuid, quota: Quota, window: Duration) {
        let asked_at = Instant::now();
        let size = {
            let mut state = self.state();
            state.resize(asked_at);
            state.size
        };
        let granted = timeout(PATIENCE, window::take(db, id, quota.calls, window, size)).await;
        let slice = match granted {
            Ok(Ok(grant)) => Slice {
                left: grant.granted,
                rest: grant.rest,
                quota: quota.calls,
                taken_at: asked_at,
                // From before the question on: it never outlives the window in the database.
                ends_at: asked_at + grant.ends_in.min(window),
            },
            Ok(Err(error)) => {
                tracing::warn!(%error, "requests are counted by this process alone");
                alone(quota, window, asked_at)
            }
            Err(_) => alone(quota, window, asked_at),
        };
        self.state().slice = Some(slice);
    }

    /// True when nothing is lost by forgetting it.
    pub fn is_at_rest(&self, now: Instant) -> bool {
        let state = self.state();
        state.burst.is_whole(now) && state.slice.as_ref().is_none_or(|slice| slice.ends_at <= now)
    }

    /// Where the policies of the subject stand: of the window, of bursts, of calls under way.
    pub fn standings(
        &self,
        [per_window, burst, concurrency]: [&'static str; 3],
        quota: Quota,
        window: Duration,
        now: Instant,
    ) -> Vec<Standing> {
        let state = self.state();
        let slice = state.slice.as_ref().filter(|slice| now < slice.ends_at && slice.quota == quota.calls);
        let mut standings = vec![Standing {
            policy: per_window,
            quota: quota.calls,
            window: Some(window),
            left: slice.map_or(quota.calls, |slice| slice.left + slice.rest),
            resets_in: slice.map_or(window, |slice| slice.ends_at - now),
        }];
        if let Some(rate) = quota.burst {
            let left = state.burst.left(rate, now);
            // With none left, what counts is when there is one again; otherwise, when all are.
            let resets_in = state.burst.wait(rate, now).unwrap_or_else(|| rate.interval.saturating_mul(rate.burst - left));
            standings.push(Standing { policy: burst, quota: rate.burst.into(), window: Some(rate.window()), left: left.into(), resets_in });
        }
        if quota.concurrent < u32::MAX {
            let left = quota.concurrent.saturating_sub(self.under_way.load(Ordering::Acquire));
            standings.push(Standing {
                policy: concurrency,
                quota: quota.concurrent.into(),
                window: None,
                left: left.into(),
                resets_in: Duration::ZERO,
            });
        }
        standings
    }
}

/// What a replica allows by itself for a moment: its share of the quota in time, as if it were the only one.
fn alone(quota: Quota, window: Duration, now: Instant) -> Slice {
    let share = u128::from(quota.calls) * ALONE.as_millis() / window.as_millis().max(1);
    let left = u64::try_from(share).unwrap_or(u64::MAX).clamp(1, quota.calls.max(1));
    Slice { left, rest: 0, quota: quota.calls, taken_at: now, ends_at: now + ALONE }
}

impl State {
    /// Takes a call, or says that there is none; `None` when only the database knows.
    fn take(&mut self, quota: Quota, now: Instant) -> Option<Taken> {
        if let Some(wait) = quota.burst.and_then(|rate| self.burst.wait(rate, now)) {
            return Some(Taken::Burst(wait));
        }
        let slice = self.slice.as_mut().filter(|slice| now < slice.ends_at && slice.quota == quota.calls)?;
        if slice.left == 0 {
            return (slice.rest == 0).then(|| Taken::Window(slice.ends_at - now));
        }
        slice.left -= 1;
        let ends_at = slice.ends_at;
        if let Some(rate) = quota.burst {
            // That one can be had was seen above, under the same lock.
            self.burst.take(rate, now).ok();
        }
        Some(Taken::One(ends_at))
    }

    fn resize(&mut self, now: Instant) {
        let Some(slice) = &self.slice else { return };
        let lasted = now.saturating_duration_since(slice.taken_at);
        if lasted < TOO_SHORT {
            self.size = (self.size * 2).min(LARGEST);
        } else if lasted > TOO_LONG {
            self.size = (self.size / 2).max(1);
        }
    }
}
