//! Leases: a replica takes a slice of an account's credit by one UPDATE, whose CHECK is the guarantee, and spends it from
//! memory without I/O. Near the end of the credit a slice is one call, so all of it stays usable.
//!
//! The database's clock decides when a lease ends, the monotonic clock when this process stops using it: no wall clock
//! that jumps can stretch a lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entity::ids::{AccountId, LeaseId};
use entity::money::Nanos;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, Statement, TransactionTrait as _};
use uuid::Uuid;

use super::rate::RateLimits;

/// How long a lease lives in the database without being extended.
pub const LIFETIME: Duration = Duration::from_secs(90);
/// How long this process reserves from it: a call admitted at the very end still has the rest to commit.
const USABLE: Duration = Duration::from_secs(45);
/// An account that makes no call for this long gives its lease back.
const IDLE: Duration = Duration::from_secs(10);
/// A slice is for at most this many calls of the price asked for.
const CALLS: i64 = 64;
/// And for at most this share of what is available, so that other replicas find some too.
const SHARE: i64 = 8;

/// Refills that one call tries before it gives up.
const ROUNDS: usize = 4;

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The credit does not cover the call.
    #[error("the credit does not cover the call")]
    Insufficient { remaining: Nanos },
    /// The database is away: nothing is given on trust.
    #[error("the balance cannot be read")]
    Unavailable,
}

/// One account's lease in this process.
#[derive(Default)]
struct Slot {
    lease: Option<Lease>,
    /// Calls that hold a part of a lease.
    in_flight: usize,
}

struct Lease {
    id: LeaseId,
    free: i64,
    usable_until: Instant,
    last_used: Instant,
}

/// An account's slot, and the turnstile that lets one call refill it while the others wait.
#[derive(Default)]
struct Account {
    slot: Mutex<Slot>,
    refill: tokio::sync::Mutex<()>,
}

impl Account {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // The numbers are changed in single assignments: a panic elsewhere leaves them whole.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This replica's leases. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    db: DatabaseConnection,
    replica: Uuid,
    accounts: Arc<Mutex<HashMap<AccountId, Arc<Account>>>>,
}

/// A reserved amount. Dropped, it goes back to the lease.
pub struct Hold {
    account: Arc<Account>,
    lease: LeaseId,
    amount: Nanos,
    returns: Nanos,
}

impl Hold {
    /// What was reserved.
    pub fn amount(&self) -> Nanos {
        self.amount
    }

    /// The lease it was reserved from.
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// The call cost `spent` and is committed: the rest goes back.
    pub(super) fn settle(mut self, spent: Nanos) {
        self.returns = Nanos(self.amount.0 - spent.0);
    }

    /// Nobody knows whether the call was committed: nothing of it is spent again from memory. What is really left of the
    /// lease flows back in the database when the lease is given back.
    pub(super) fn forfeit(mut self) {
        self.returns = Nanos(0);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut slot = self.account.slot();
        slot.in_flight -= 1;
        // A lease that was given back or ran out meanwhile takes nothing any more.
        if let Some(lease) = slot.lease.as_mut().filter(|lease| lease.id == self.lease) {
            lease.free += self.returns.0;
        }
    }
}

impl Limits {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self { db, replica: Uuid::now_v7(), accounts: Arc::default() }
    }

    /// Reserves `amount` of the account's credit.
    ///
    /// # Errors
    /// See [`LimitError`].
    pub async fn reserve(&self, id: AccountId, amount: Nanos) -> Result<Hold, LimitError> {
        let account = self.account(id);
        if let Some(hold) = take(&account, amount) {
            return Ok(hold);
        }
        let _turn = account.refill.lock().await;
        // Another call may have refilled while this one waited; and one without a turn may take from the lease between its
        // refill and our reservation, hence more than one round.
        for _ in 0..ROUNDS {
            if let Some(hold) = take(&account, amount) {
                return Ok(hold);
            }
            self.refill(id, &account, amount).await?;
        }
        take(&account, amount).ok_or(LimitError::Unavailable)
    }

    fn account(&self, id: AccountId) -> Arc<Account> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    /// Extends the account's lease, or takes a new one, so that it covers `amount`.
    async fn refill(&self, id: AccountId, account: &Arc<Account>, amount: Nanos) -> Result<(), LimitError> {
        let known = account.slot().lease.as_ref().map(|lease| (lease.id, lease.free));
        match self.extend_or_take(id, known, amount).await {
            Ok(Grant::Granted { lease, added, fresh }) => {
                let now = Instant::now();
                let mut slot = account.slot();
                // Calls may have returned to the old lease meanwhile: its free amount is read again, not remembered.
                let free = slot.lease.as_ref().filter(|_| !fresh).map_or(0, |lease| lease.free);
                slot.lease = Some(Lease { id: lease, free: free + added, usable_until: now + USABLE, last_used: now });
                Ok(())
            }
            Ok(Grant::Refused { remaining }) => Err(LimitError::Insufficient { remaining }),
            Err(error) => {
                tracing::warn!(%error, "a lease could not be taken; the call is refused");
                Err(LimitError::Unavailable)
            }
        }
    }

    async fn extend_or_take(&self, id: AccountId, known: Option<(LeaseId, i64)>, amount: Nanos) -> Result<Grant, DbErr> {
        let txn = self.db.begin().await?;
        let Some(row) =
            txn.query_one_raw(sql(&txn, "SELECT credits, debits FROM balance WHERE account_id = $1 FOR UPDATE", [id.0.into()])).await?
        else {
            return Ok(Grant::Refused { remaining: Nanos(0) });
        };
        let remaining = Nanos(row.try_get::<i64>("", "credits")? - row.try_get::<i64>("", "debits")?);
        reclaim_in(&txn, id).await?;
        let alive = match known {
            Some((lease, _)) => extend_life(&txn, lease).await?,
            None => false,
        };
        let free = known.filter(|_| alive).map_or(0, |(_, free)| free);
        let available = available_in(&txn, id).await?;
        let need = (amount.0 - free).max(0);
        if need > available {
            return Ok(Grant::Refused { remaining });
        }
        let slice = (available / SHARE).min(amount.0.saturating_mul(CALLS)).max(need);
        let grant = match known {
            Some((lease, _)) if alive => {
                txn.execute_raw(sql(&txn, "UPDATE lease SET amount = amount + $2 WHERE id = $1", [lease.0.into(), slice.into()])).await?;
                Grant::Granted { lease, added: slice, fresh: false }
            }
            _ => {
                let lease = LeaseId::new();
                let statement = "INSERT INTO lease (id, account_id, replica, amount, used, expires_at)
                                 VALUES ($1, $2, $3, $4, 0, clock_timestamp() + $5 * interval '1 second')";
                let values = [lease.0.into(), id.0.into(), self.replica.into(), slice.into(), (LIFETIME.as_secs() as i64).into()];
                txn.execute_raw(sql(&txn, statement, values)).await?;
                Grant::Granted { lease, added: slice, fresh: true }
            }
        };
        txn.execute_raw(sql(&txn, "UPDATE balance SET held = held + $2 WHERE account_id = $1", [id.0.into(), slice.into()])).await?;
        txn.commit().await?;
        Ok(grant)
    }

    /// Gives leases back that no call used for a while, and forgets accounts that are at rest, until the process ends.
    pub(super) fn tend_in_background(self, rate: RateLimits) {
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
        let accounts: Vec<_> =
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(id, account)| (*id, account.clone())).collect();
        for (id, account) in accounts {
            let Ok(_turn) = account.refill.try_lock() else { continue };
            let lease = {
                let mut slot = account.slot();
                let idle = slot.in_flight == 0 && slot.lease.as_ref().is_some_and(|lease| lease.last_used.elapsed() >= idle);
                if idle { slot.lease.take() } else { None }
            };
            let Some(lease) = lease else { continue };
            if let Err(error) = self.return_lease(id, lease.id).await {
                tracing::warn!(%error, "a lease could not be given back; it runs out by itself");
            }
        }
    }

    /// Drops the slots of accounts that hold nothing: a flood of accounts does not stay in memory.
    fn forget_idle(&self) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, account| {
            // Nobody else has the slot: no call holds it or is about to.
            let shared = Arc::strong_count(account) > 1;
            shared || account.slot().lease.is_some()
        });
    }

    async fn return_lease(&self, id: AccountId, lease: LeaseId) -> Result<(), DbErr> {
        let txn = self.db.begin().await?;
        txn.execute_raw(sql(&txn, "SELECT 1 FROM balance WHERE account_id = $1 FOR UPDATE", [id.0.into()])).await?;
        let statement = "WITH gone AS (DELETE FROM lease WHERE id = $2 RETURNING amount - used AS rest)
                         UPDATE balance SET held = held - gone.rest FROM gone WHERE account_id = $1";
        txn.execute_raw(sql(&txn, statement, [id.0.into(), lease.0.into()])).await?;
        txn.commit().await
    }
}

/// What the database said to a refill.
enum Grant {
    Granted { lease: LeaseId, added: i64, fresh: bool },
    Refused { remaining: Nanos },
}

/// Reserves from memory, when the lease covers it.
fn take(account: &Arc<Account>, amount: Nanos) -> Option<Hold> {
    let mut slot = account.slot();
    let now = Instant::now();
    let lease = slot.lease.as_mut().filter(|lease| now < lease.usable_until && lease.free >= amount.0)?;
    lease.free -= amount.0;
    lease.last_used = now;
    let id = lease.id;
    slot.in_flight += 1;
    Some(Hold { account: account.clone(), lease: id, amount, returns: amount })
}

fn sql<const N: usize>(txn: &DatabaseTransaction, text: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(txn.get_database_backend(), text, values)
}

/// True when the lease is still there and now lives on for its whole life.
async fn extend_life(txn: &DatabaseTransaction, lease: LeaseId) -> Result<bool, DbErr> {
    let statement =
        "UPDATE lease SET expires_at = clock_timestamp() + $2 * interval '1 second' WHERE id = $1 AND expires_at > clock_timestamp()";
    let extended = txn.execute_raw(sql(txn, statement, [lease.0.into(), (LIFETIME.as_secs() as i64).into()])).await?;
    Ok(extended.rows_affected() == 1)
}

async fn available_in(txn: &DatabaseTransaction, id: AccountId) -> Result<i64, DbErr> {
    let statement = "SELECT credits - floor - debits - held AS available FROM balance WHERE account_id = $1";
    let row = txn.query_one_raw(sql(txn, statement, [id.0.into()])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "available"))
}

/// Takes back what dead replicas held of one account. The caller holds the balance's lock: every path takes it before a
/// lease's, so that no two wait for each other.
pub(super) async fn reclaim_in(txn: &DatabaseTransaction, id: AccountId) -> Result<(), DbErr> {
    let statement =
        "WITH gone AS (DELETE FROM lease WHERE account_id = $1 AND expires_at <= clock_timestamp() RETURNING amount - used AS rest)
                     UPDATE balance SET held = held - sums.rest
                     FROM (SELECT sum(rest)::bigint AS rest FROM gone HAVING count(*) > 0) AS sums WHERE account_id = $1";
    txn.execute_raw(sql(txn, statement, [id.0.into()])).await.map(|_| ())
}
