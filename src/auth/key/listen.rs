//! Hears what changed. Triggers on keys, their old secrets and accounts NOTIFY; every replica LISTENs on a connection of its
//! own and forgets what it is told of.
//!
//! The rule: while the connection was seen alive within the last [`ALIVE`], what is in memory is trusted for [`TRUSTED`];
//! otherwise for [`ALIVE`] only. So a change reaches every replica within [`ALIVE`] whatever happens to the connection.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::ids::AccountId;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{Error, Executor as _};
use tokio::time::timeout;

use super::Keys;

/// What is in memory is read again after this, even if nothing changed.
pub(super) const TRUSTED: Duration = Duration::from_secs(60);
/// A revoked key is refused by every replica after this at the latest.
const ALIVE: Duration = Duration::from_millis(900);
/// How often a silent connection is asked whether it lives, and how long it has to say so.
const BEAT: Duration = Duration::from_millis(300);
const CHANNEL: &str = "api_key";
/// Beyond so many keys in memory, all are forgotten when an account changes, rather than each looked at.
const LOOKED_AT: u64 = 10_000;

/// Why nothing is heard any more.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("the connection does not answer")]
    Silent,
    #[error("the connection was closed")]
    Closed,
    #[error(transparent)]
    Database(#[from] Error),
}

/// What is known of the connection.
#[derive(Default)]
pub(super) struct Link {
    alive_at: Mutex<Option<Instant>>,
    changes: AtomicU64,
}

impl Link {
    /// How old what is in memory may be.
    pub fn trusted_for(&self) -> Duration {
        let alive_at = *self.alive_at.lock().unwrap_or_else(PoisonError::into_inner);
        if alive_at.is_some_and(|at| at.elapsed() < ALIVE) { TRUSTED } else { ALIVE }
    }

    /// Counts what was told of.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Something changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn set_alive(&self, at: Option<Instant>) {
        *self.alive_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Keys {
    /// Listens until the process ends, connecting again whenever the connection breaks.
    pub fn listen_in_background(&self) {
        let keys = self.clone();
        tokio::spawn(async move {
            loop {
                let Err(error) = keys.listen().await;
                keys.link.set_alive(None);
                tracing::warn!(%error, "changes of keys are not heard: each is read again every second until they are");
                tokio::time::sleep(BEAT).await;
            }
        });
    }

    async fn listen(&self) -> Result<Infallible, Deaf> {
        let options = (*self.db.get_postgres_connection_pool().connect_options()).clone().application_name("lensmeter: changes of keys");
        // A connection of its own: one of the pool's would be missing there for ever.
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(ALIVE * 2);
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options)).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // What changed while nobody listened is not known.
        self.link.changed();
        self.cache.invalidate_all();
        loop {
            let asked_at = Instant::now();
            timeout(BEAT, listener.execute("SELECT 1")).await.map_err(|_| Deaf::Silent)??;
            // What was sent before the answer to this has come before it.
            while let Some(change) = listener.next_buffered() {
                self.hear(change.payload()).await;
            }
            self.link.set_alive(Some(asked_at));
            match timeout(BEAT, listener.try_recv()).await {
                Ok(Ok(Some(change))) => self.hear(change.payload()).await,
                Ok(Ok(None)) => return Err(Deaf::Closed),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    async fn hear(&self, payload: &str) {
        self.link.changed();
        match payload.split_once(' ') {
            Some(("key", public_id)) => self.cache.invalidate(public_id).await,
            Some(("account", id)) => self.forget_account(id).await,
            _ => tracing::warn!(payload, "a change of keys was told of in words that this version does not know"),
        }
    }

    async fn forget_account(&self, id: &str) {
        let id = uuid::Uuid::parse_str(id).ok().map(AccountId);
        if id.is_none() || self.cache.entry_count() > LOOKED_AT {
            self.cache.invalidate_all();
            return;
        }
        for (public_id, known) in &self.cache {
            if known.caller.as_ref().map(|caller| caller.account.id) == id {
                self.cache.invalidate(public_id.as_ref()).await;
            }
        }
    }
}
