//! Leases: a replica takes a slice of what a limit still allows by one UPDATE, whose CHECK is the guarantee, and spends it
//! from memory without I/O. Slices follow the burn rate; near the end of a limit a slice is one call, and what other
//! replicas hold unused is called back, so all of it stays usable.
//!
//! A call is under the account's credit, then under its cap for the billing period, then under its key's budgets per month,
//! week and day, and takes from them in this order. Which of them are set is read with the lease on the credit; setting one
//! makes every lease on the credit void, so no call passes a limit that it did not know.
//!
//! The database's clock decides when a lease ends, the monotonic clock when this process stops using it: no wall clock
//! that jumps can stretch a lease.

mod caps;
mod credit;
mod recall;
mod scope;
mod slice;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entity::balance::Scope;
use entity::ids::{BalanceId, LeaseId};
use entity::money::Nanos;
use sea_orm::DatabaseConnection;

use self::scope::Limit;
use self::slice::{Part, Slice};
use self::table::Answer;
use super::rate::RateLimits;

pub use self::caps::{LimitState, set_budget_in, set_cap_in, states};
pub use self::credit::lock_credit_in;
pub use self::scope::Spender;
pub(super) use self::table::reclaim_expired;

/// How long a lease lives in the database without being extended.
pub const LIFETIME: Duration = Duration::from_secs(90);
/// How long this process reserves from it: a call admitted at the very end still has the rest to commit.
const USABLE: Duration = Duration::from_secs(45);
/// An account that makes no call for this long gives its leases back.
const IDLE: Duration = Duration::from_secs(10);

/// Refills that one call tries before it gives up: one without a turn may take from a lease what a refill counted on.
const ROUNDS: usize = 8;
/// How often a refused call asks other replicas for what they hold. More than once: what one is just taking is not yet its
/// to give back.
const RECALLS: usize = 3;
/// How long a refused call waits for what other replicas hold, asking again after each.
const RECALL_WAITS_MS: [u64; 5] = [10, 20, 40, 80, 160];

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The credit does not cover the call.
    #[error("the credit does not cover the call")]
    Insufficient { remaining: Nanos },
    /// The account's cap or a budget of the key does not allow the call.
    #[error("the limit per {} does not allow the call", scope.as_str())]
    CapReached { scope: Scope, remaining: Nanos },
    /// The database is away: nothing is given on trust.
    #[error("the balance cannot be read")]
    Unavailable,
}

/// Why one limit gave nothing.
#[derive(Debug, Clone, Copy)]
enum Denied {
    Limit(LimitError),
    /// The limit is not set any more: what this process knows of the account is old.
    Stale,
}

/// This replica's leases. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    db: DatabaseConnection,
    slices: Arc<Mutex<HashMap<Limit, Arc<Slice>>>>,
}

/// A reserved amount, under every limit of the call. Dropped, it goes back to the leases.
pub struct Hold {
    spender: Spender,
    amount: Nanos,
    credit: Part,
    /// Of the cap and the budgets; empty for most.
    nested: Vec<Part>,
}

impl Hold {
    /// What was reserved.
    pub fn amount(&self) -> Nanos {
        self.amount
    }

    /// For whom and when it was reserved. The windows of budgets are this instant's.
    pub fn spender(&self) -> &Spender {
        &self.spender
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.credit).chain(&self.nested)
    }

    /// The leases it was reserved from.
    pub fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.parts().map(|part| part.lease)
    }

    /// The balances that its leases are slices of.
    pub(super) fn balances(&self) -> impl Iterator<Item = BalanceId> {
        self.parts().map(|part| part.balance)
    }

    /// The call cost `spent` and is committed: the rest goes back.
    pub(super) fn settle(mut self, spent: Nanos) {
        for part in std::iter::once(&mut self.credit).chain(&mut self.nested) {
            part.returns = self.amount.0 - spent.0;
        }
    }

    /// Nobody knows whether the call was committed: nothing of it is spent again from memory. What is really left of the
    /// leases flows back in the database when they are given back.
    pub(super) fn forfeit(mut self) {
        for part in std::iter::once(&mut self.credit).chain(&mut self.nested) {
            part.returns = 0;
        }
    }

    /// A lease of it turned out to be void: this process takes new ones.
    pub(super) fn void(self) {
        self.parts().for_each(Part::void);
    }
}

impl Limits {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self { db, slices: Arc::default() }
    }

    /// Reserves `amount` under every limit of the spender.
    ///
    /// # Errors
    /// See [`LimitError`]; nothing is then reserved.
    pub async fn reserve(&self, spender: &Spender, amount: Nanos) -> Result<Hold, LimitError> {
        for _ in 0..ROUNDS {
            let (credit, terms) = match self.take(Limit::of(Scope::Credit, spender), amount.0).await {
                Ok(taken) => taken,
                Err(Denied::Limit(error)) => return Err(error),
                Err(Denied::Stale) => return Err(LimitError::Insufficient { remaining: Nanos(0) }),
            };
            let mut hold = Hold { spender: *spender, amount, credit, nested: Vec::new() };
            let Some(terms) = terms else { return Ok(hold) };
            match self.take_nested(&mut hold, terms.limits(spender)).await {
                Ok(()) => return Ok(hold),
                Err(Denied::Limit(error)) => return Err(error),
                Err(Denied::Stale) => hold.void(),
            }
        }
        Err(LimitError::Unavailable)
    }

    async fn take_nested(&self, hold: &mut Hold, limits: impl Iterator<Item = Limit>) -> Result<(), Denied> {
        for limit in limits {
            let (part, _) = self.take(limit, hold.amount.0).await?;
            hold.nested.push(part);
        }
        Ok(())
    }

    /// Takes from memory, or from the database when memory has too little.
    async fn take(&self, limit: Limit, amount: i64) -> Result<slice::Taken, Denied> {
        let slice = self.slice(limit);
        if let Some(taken) = slice.take(amount) {
            return Ok(taken);
        }
        let arrived = Instant::now();
        let turn = slice.turn.clone().lock_owned().await;
        if let Some(taken) = slice.take(amount) {
            return Ok(taken);
        }
        // One of those who waited asked after this one came, and was refused: asking again would say the same.
        if let Some(denied) = slice.denied_since(arrived, amount) {
            return Err(denied);
        }
        let own = self.clone();
        // In a task of its own: a client that hangs up in the middle leaves no lease that nobody knows of.
        let refilled = tokio::spawn(async move {
            let _turn = turn;
            own.refill(limit, &slice, amount).await
        });
        refilled.await.unwrap_or(Err(Denied::Limit(LimitError::Unavailable)))
    }

    /// Extends the lease on a limit, or takes a new one, and takes `amount` from it.
    async fn refill(&self, limit: Limit, slice: &Arc<Slice>, amount: i64) -> Result<slice::Taken, Denied> {
        let mut waits = RECALL_WAITS_MS.into_iter();
        for round in 0..ROUNDS {
            let asked = Instant::now();
            let denied = match table::ask(&self.db, limit, slice.need(amount), round < RECALLS).await {
                Ok(Answer::Granted(grant)) => match slice.grant(grant, amount) {
                    Some(taken) => return Ok(taken),
                    None => continue,
                },
                Ok(Answer::Short { recalled: true, .. }) if waits.len() > 0 => {
                    tokio::time::sleep(Duration::from_millis(waits.next().unwrap_or_default())).await;
                    continue;
                }
                Ok(Answer::Short { remaining, .. }) => Denied::Limit(limit.refusal(remaining)),
                Ok(Answer::Gone) => Denied::Stale,
                Err(error) => {
                    tracing::warn!(%error, "a lease could not be taken; the call is refused");
                    slice.deny(Instant::now(), amount, Denied::Limit(LimitError::Unavailable));
                    return Err(Denied::Limit(LimitError::Unavailable));
                }
            };
            slice.deny(asked, amount, denied);
            return Err(denied);
        }
        Err(Denied::Limit(LimitError::Unavailable))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Limit, Arc<Slice>>> {
        self.slices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slice(&self, limit: Limit) -> Arc<Slice> {
        self.all().entry(limit).or_default().clone()
    }

    /// Gives leases back that no call used for a while, answers other replicas' recalls, and forgets accounts that are at
    /// rest, until the process ends.
    pub(super) fn tend_in_background(self, rate: RateLimits) {
        tokio::spawn(recall::answer(self.clone()));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE / 4).await;
                self.give_back(IDLE).await;
                self.forget_idle();
                rate.sweep();
            }
        });
    }

    /// Gives back the leases that no call used for `idle`. At a soft stop with zero: all that are not in flight.
    pub async fn give_back(&self, idle: Duration) {
        let slices: Vec<Arc<Slice>> = self.all().values().cloned().collect();
        for slice in slices {
            let Ok(_turn) = slice.turn.try_lock() else { continue };
            let Some((balance, lease)) = slice.release(idle) else { continue };
            if let Err(error) = table::end(&self.db, balance, lease).await {
                tracing::warn!(%error, "a lease could not be given back; it runs out by itself");
            }
        }
    }

    /// Drops the slices of limits that hold nothing: a flood of accounts does not stay in memory.
    fn forget_idle(&self) {
        // Nobody else has the slice: no call holds a part of it or is about to.
        self.all().retain(|_, slice| Arc::strong_count(slice) > 1 || slice.has_lease());
    }
}
