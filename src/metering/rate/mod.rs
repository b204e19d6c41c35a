//! How many calls an account and a key may make per minute, how many at once, and how many may be under way.
//!
//! *Per minute* is exact over all replicas: a window of a subject is a row, and a replica takes a slice of what the window
//! still allows by one UPDATE, then counts from memory. Slices follow the burn rate and shrink near the limit. In each window
//! no more calls are admitted, by all replicas together, than the quota. A slice ends with its window; what an idle replica
//! had left of it is lost to the others until then.
//!
//! *Bursts* (GCRA) and calls *under way* are counted by each replica for itself. With the database away a replica allows
//! the quota by itself, evened out over the seconds: never without a limit.

mod quota;
mod subject;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::ids::{AccountId, KeyId};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

pub use self::quota::{Quota, Standing};
use self::subject::{Subject, Taken};
pub use self::window::forget_old;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a call that came while too many were under way should wait.
const TOO_MANY_AT_ONCE: Duration = Duration::from_secs(1);

/// Who is counted, and what they may: an account, and its key where that has a limit of its own.
#[derive(Debug, Clone, Copy)]
pub struct Subjects {
    pub account: (AccountId, Quota),
    pub key: Option<(KeyId, Quota)>,
}

/// What counting a call came to.
pub struct Counted {
    /// The call may go on; it is under way until this is dropped.
    pub verdict: Result<UnderWay, Refusal>,
    /// Where every policy stands afterwards.
    pub standings: Vec<Standing>,
}

/// Which policy refused, and when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub policy: &'static str,
    pub wait: Duration,
}

/// A call under way.
pub struct UnderWay(Arc<Subject>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// This replica's counts. Cheap to clone.
#[derive(Clone)]
pub struct RateLimits {
    db: DatabaseConnection,
    window: Duration,
    subjects: Arc<Mutex<HashMap<Uuid, Arc<Subject>>>>,
}

impl RateLimits {
    /// Counts in windows of a minute, shared over `db`.
    pub fn new(db: DatabaseConnection) -> Self {
        Self::with_window(db, WINDOW)
    }

    /// Counts in windows of another length; all replicas use the same.
    pub fn with_window(db: DatabaseConnection, window: Duration) -> Self {
        Self { db, window, subjects: Arc::default() }
    }

    /// Counts a call. One that is refused counts nowhere.
    pub async fn count(&self, subjects: Subjects) -> Counted {
        let (id, quota) = subjects.account;
        let account = self.subject(id.0);
        let key = subjects.key.map(|(id, quota)| (self.subject(id.0), id, quota));
        let verdict = self.judge(&account, subjects, key.as_ref().map(|(key, ..)| key)).await;
        let now = Instant::now();
        let mut standings = account.standings(["account", "burst", "concurrency"], quota, self.window, now);
        if let Some((key, _, quota)) = key {
            standings.extend(key.standings(["key", "key-burst", "key-concurrency"], quota, self.window, now));
        }
        Counted { verdict, standings }
    }

    async fn judge(&self, account: &Arc<Subject>, subjects: Subjects, key: Option<&Arc<Subject>>) -> Result<UnderWay, Refusal> {
        let (account_id, quota) = subjects.account;
        if !account.enter(quota.concurrent) {
            return Err(Refusal { policy: "concurrency", wait: TOO_MANY_AT_ONCE });
        }
        let under_way = UnderWay(account.clone());
        let slice = refused(account.take(&self.db, account_id.0, quota, self.window).await, "account", "burst")?;
        if let (Some((key_id, quota)), Some(key)) = (subjects.key, key)
            && let Err(refusal) = refused(key.take(&self.db, key_id.0, quota, self.window).await, "key", "key-burst")
        {
            account.put_back(subjects.account.1, slice);
            return Err(refusal);
        }
        Ok(under_way)
    }

    fn subject(&self, id: Uuid) -> Arc<Subject> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    /// Forgets subjects that are at rest: a flood of accounts does not stay in memory.
    pub fn sweep(&self) {
        let now = Instant::now();
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.retain(|_, subject| Arc::strong_count(subject) > 1 || !subject.is_at_rest(now));
    }
}

/// The end of the slice that a call was taken from.
fn refused(taken: Taken, window: &'static str, burst: &'static str) -> Result<Instant, Refusal> {
    match taken {
        Taken::One(slice_ends_at) => Ok(slice_ends_at),
        Taken::Burst(wait) => Err(Refusal { policy: burst, wait }),
        Taken::Window(wait) => Err(Refusal { policy: window, wait }),
    }
}
