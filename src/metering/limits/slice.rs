//! What one process holds of one limit, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entity::ids::{BalanceId, LeaseId};

use super::scope::Terms;
use super::table::{Grant, Need};
use super::{Denied, LimitError, USABLE};

/// A slice is for about this much work at the rate of late.
const WORK: Duration = Duration::from_secs(2);
/// The rate is measured over at least this long: a burst of a millisecond is no rate.
const LEAST: Duration = Duration::from_millis(50);
/// And a slice is for at least this many calls of the price asked for, where the limit has room.
const CALLS: i64 = 64;

/// A part of a lease, and which further limits its account has.
pub(super) type Taken = (Part, Option<Arc<Terms>>);

/// One limit in this process, and the turnstile that lets one call refill it while the others wait.
#[derive(Default)]
pub(super) struct Slice {
    state: Mutex<State>,
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    /// Calls that hold a part of a lease.
    in_flight: usize,
    /// Taken since the last grant.
    taken: i64,
    granted_at: Option<Instant>,
    denied: Option<(Instant, i64, Denied)>,
    /// Leases that are not taken from any more, and may still be in the database.
    void: Vec<LeaseId>,
}

struct Lease {
    id: LeaseId,
    balance: BalanceId,
    free: i64,
    terms: Option<Arc<Terms>>,
    usable_until: Instant,
    last_used: Instant,
}

/// A part of a lease that a call reserved. Dropped, it goes back.
pub(super) struct Part {
    slice: Arc<Slice>,
    pub lease: LeaseId,
    pub balance: BalanceId,
    /// What goes back when it is dropped.
    pub returns: i64,
}

impl Part {
    /// The lease is void: nothing more is taken from it.
    pub fn void(&self) {
        let mut state = self.slice.state();
        if state.lease.take_if(|lease| lease.id == self.lease).is_some() {
            state.void.push(self.lease);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut state = self.slice.state();
        state.in_flight -= 1;
        // A lease that was given back or ran out meanwhile takes nothing any more.
        if let Some(lease) = state.lease.as_mut().filter(|lease| lease.id == self.lease) {
            lease.free += self.returns;
        }
    }
}

impl Slice {
    fn state(&self) -> MutexGuard<'_, State> {
        // The numbers are changed in single assignments: a panic elsewhere leaves them whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes from memory, when the lease covers it.
    pub fn take(self: &Arc<Self>, amount: i64) -> Option<Taken> {
        self.take_from(&mut self.state(), amount)
    }

    fn take_from(self: &Arc<Self>, state: &mut State, amount: i64) -> Option<Taken> {
        let now = Instant::now();
        let lease = state.lease.as_mut().filter(|lease| now < lease.usable_until && lease.free >= amount)?;
        lease.free -= amount;
        lease.last_used = now;
        let part = Part { slice: self.clone(), lease: lease.id, balance: lease.balance, returns: amount };
        let terms = lease.terms.clone();
        state.in_flight += 1;
        state.taken = state.taken.saturating_add(amount);
        Some((part, terms))
    }

    /// What to ask the database for, so that `amount` is covered now and the calls of the next seconds too.
    pub fn need(&self, amount: i64) -> Need {
        let mut state = self.state();
        let elapsed = state.granted_at.map_or(LEAST, |at| at.elapsed().max(LEAST));
        let burn = i128::from(state.taken) * WORK.as_millis() as i128 / (elapsed.as_millis() as i128).max(1);
        let wanted = i64::try_from(burn).unwrap_or(i64::MAX).max(amount.saturating_mul(CALLS));
        let known = state.lease.as_ref().map(|lease| (lease.id, lease.free));
        Need { amount, wanted, known, void: std::mem::take(&mut state.void) }
    }

    /// Books a grant and takes `amount` from it, before anybody else can.
    pub fn grant(self: &Arc<Self>, grant: Grant, amount: i64) -> Option<Taken> {
        let now = Instant::now();
        let mut state = self.state();
        let Grant { lease: id, balance, added, fresh, terms } = grant;
        match state.lease.as_mut().filter(|lease| lease.id == id) {
            // Calls may have returned to the lease meanwhile: its free amount is read again, not remembered.
            Some(lease) => (lease.free, lease.usable_until) = (lease.free + added, now + USABLE),
            None if fresh => {
                state.lease = Some(Lease { id, balance, free: added, terms, usable_until: now + USABLE, last_used: now });
            }
            // Extended, but void meanwhile.
            None => return None,
        }
        (state.taken, state.granted_at) = (0, Some(now));
        self.take_from(&mut state, amount)
    }

    /// Remembers a refusal of `amount` that was true at `at`.
    pub fn deny(&self, at: Instant, amount: i64, denied: Denied) {
        self.state().denied = Some((at, amount, denied));
    }

    /// A refusal that holds for a call of `amount` that came at `arrived`.
    pub fn denied_since(&self, arrived: Instant, amount: i64) -> Option<Denied> {
        let (at, refused, denied) = self.state().denied?;
        let holds = match denied {
            Denied::Limit(LimitError::Unavailable) => true,
            _ => refused <= amount,
        };
        (at >= arrived && holds).then_some(denied)
    }

    /// Ends the lease in memory when nothing is in flight and no call used it for `idle`.
    pub fn release(&self, idle: Duration) -> Option<(BalanceId, LeaseId)> {
        let mut state = self.state();
        let at_rest = state.in_flight == 0;
        let lease = state.lease.take_if(|lease| at_rest && lease.last_used.elapsed() >= idle)?;
        Some((lease.balance, lease.id))
    }

    /// Takes what is free out of a lease on `balance`, to be given back.
    pub fn take_free(&self, balance: BalanceId) -> Option<(LeaseId, i64)> {
        let mut state = self.state();
        let lease = state.lease.as_mut().filter(|lease| lease.balance == balance)?;
        Some((lease.id, std::mem::take(&mut lease.free)))
    }

    /// Whether it holds a lease on `balance`.
    pub fn leases(&self, balance: BalanceId) -> bool {
        self.state().lease.as_ref().is_some_and(|lease| lease.balance == balance)
    }

    pub fn has_lease(&self) -> bool {
        self.state().lease.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(added: i64, lease: LeaseId, fresh: bool) -> Grant {
        Grant { lease, balance: BalanceId::new(), added, fresh, terms: None }
    }

    #[test]
    fn a_slice_follows_the_burn_rate() {
        let slice = Arc::new(Slice::default());
        let lease = LeaseId::new();
        assert_eq!(slice.need(10).wanted, 10 * CALLS, "nothing is known of the rate");
        let mut parts = vec![slice.grant(grant(1000, lease, true), 10).unwrap()];
        parts.extend((0..99).map(|_| slice.take(10).unwrap()));
        // 1 000 within less than 50 ms count as 20 000 a second.
        assert_eq!(slice.need(10).wanted, 1000 * 40);
        assert!(slice.take(10).is_none());
        parts.clear();
        assert!(slice.take(1000).is_some(), "dropped parts went back");
    }

    #[test]
    fn a_refusal_is_shared_with_those_who_waited_and_with_nobody_else() {
        let slice = Arc::new(Slice::default());
        let (before, asked) = (Instant::now(), Instant::now());
        slice.deny(asked, 10, Denied::Stale);
        assert!(slice.denied_since(before, 10).is_some());
        assert!(slice.denied_since(before, 9).is_none(), "a cheaper call may still fit");
        assert!(slice.denied_since(asked + Duration::from_nanos(1), 10).is_none(), "who came later asks again");
    }

    #[test]
    fn a_void_lease_is_not_taken_from() {
        let slice = Arc::new(Slice::default());
        let (part, _) = slice.grant(grant(100, LeaseId::new(), true), 10).unwrap();
        part.void();
        assert!(slice.take(1).is_none());
        drop(part);
        assert!(slice.take(1).is_none(), "and takes nothing back");
    }
}
