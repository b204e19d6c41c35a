//! Whether a key opens: found by its id through a cache, proved by the hash of its secret.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::account::{self, Standing};
use entity::ids::KeyId;
use entity::{api_key, former_secret};
use moka::future::Cache;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, Statement};
use uuid::Uuid;

use super::Caller;
use super::listen::{Link, TRUSTED};
use super::text::{self, Parts};
use super::tries::Tries;
use crate::platform::secret;

/// Keys kept in memory.
const CAPACITY: u64 = 100_000;

/// Why a key does not authenticate. Unknown, wrong, revoked and expired look the same from outside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not valid")]
    Invalid,
    #[error("the key may not be used from this address")]
    IpNotAllowed,
    #[error("too many invalid keys came from this address")]
    TooManyTries { wait: Duration },
    #[error("keys cannot be checked now")]
    Unavailable,
}

/// What the database said of a public id.
pub(super) struct Known {
    pub caller: Option<Arc<Caller>>,
    former: Vec<former_secret::Model>,
    read_at: Instant,
}

impl Known {
    fn opens(&self, caller: &Caller, parts: &Parts<'_>, now: entity::Time) -> bool {
        let hash = secret::sha256(parts.secret);
        let former = self.former.iter().any(|old| now < old.expires_at && secret::equal(&hash, &old.secret_hash));
        let proved = secret::equal(&hash, &caller.key.secret_hash) || former;
        let open = caller.account.standing != Standing::Closed && caller.account.mode.as_str() == parts.mode;
        proved && open && caller.key.is_active(now)
    }
}

/// Checks keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    pub(super) db: DatabaseConnection,
    pub(super) cache: Cache<String, Arc<Known>>,
    /// Tells what changed in the database, as long as it is up.
    pub(super) link: Arc<Link>,
    tries: Tries,
    /// Which keys were used since the last flush, and when: `last_used_at` costs no write per call.
    used: Arc<Mutex<HashMap<KeyId, entity::Time>>>,
}

impl Keys {
    /// Reads through a cache over `db`.
    pub fn new(db: DatabaseConnection) -> Self {
        let cache = Cache::builder().max_capacity(CAPACITY).time_to_live(TRUSTED).build();
        Self { db, cache, link: Arc::default(), tries: Tries::default(), used: Arc::default() }
    }

    /// Who the bearer of `text` is, who calls from this address.
    ///
    /// # Errors
    /// See [`KeyError`]; with the database away nobody is let in who is not known.
    pub async fn authenticate(&self, text: &str, from: Option<IpAddr>, now: entity::Time) -> Result<Arc<Caller>, KeyError> {
        match self.check(text, from, now).await {
            Err(KeyError::Invalid) => Err(self.tries.failed(from).await),
            Ok(caller) => {
                self.note_use(caller.key.id, now);
                Ok(caller)
            }
            Err(error) => Err(error),
        }
    }

    async fn check(&self, text: &str, from: Option<IpAddr>, now: entity::Time) -> Result<Arc<Caller>, KeyError> {
        let parts = text::parse(text).ok_or(KeyError::Invalid)?;
        let known = match self.remembered(parts.public_id).await {
            Some(known) => known,
            None => {
                // A known key is let in from wherever others failed: only asking the database is rationed.
                self.tries.check(from).await?;
                Box::pin(self.read(parts.public_id)).await?
            }
        };
        let caller = known.caller.as_ref().ok_or(KeyError::Invalid)?;
        if !known.opens(caller, &parts, now) {
            return Err(KeyError::Invalid);
        }
        if !caller.may_come_from(from) {
            return Err(KeyError::IpNotAllowed);
        }
        Ok(caller.clone())
    }

    async fn remembered(&self, public_id: &str) -> Option<Arc<Known>> {
        let known = self.cache.get(public_id).await?;
        if known.read_at.elapsed() < self.link.trusted_for() {
            return Some(known);
        }
        self.cache.invalidate(public_id).await;
        None
    }

    /// Reads a key, once for all who ask at the same time.
    async fn read(&self, public_id: &str) -> Result<Arc<Known>, KeyError> {
        let before = self.link.changes();
        let read = self.cache.entry_by_ref(public_id).or_try_insert_with(load(&self.db, public_id)).await;
        let entry = read.map_err(|error| {
            tracing::warn!(%error, "keys cannot be read");
            KeyError::Unavailable
        })?;
        // Race: a change that was told of after the row was read and before it was in the cache found nothing to remove.
        if entry.is_fresh() && self.link.changes() != before {
            self.cache.invalidate(public_id).await;
        }
        Ok(entry.into_value())
    }

    /// Forgets what is known of a key that was changed: this process reads it again with the next call.
    pub async fn forget(&self, public_id: &str) {
        self.link.changed();
        self.cache.invalidate(public_id).await;
    }

    /// Notes that a key was used, where it was not [`authenticate`](Self::authenticate)d by its text.
    pub fn note_use(&self, key: KeyId, now: entity::Time) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
    }

    /// Writes down when keys were last used: now and then, and at a soft stop. A crash loses the seconds since the last.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn flush(&self) -> Result<(), DbErr> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        let (ids, times): (Vec<Uuid>, Vec<entity::Time>) = used.into_iter().map(|(id, at)| (id.0, at)).unzip();
        // In the order of their ids: two replicas that note the same keys do not wait for each other in a circle.
        let sql = "WITH used AS (
                       SELECT key.id, used.at FROM UNNEST($1::uuid[], $2::timestamptz[]) AS used(id, at)
                       JOIN api_key AS key USING (id) ORDER BY key.id FOR NO KEY UPDATE OF key)
                   UPDATE api_key SET last_used_at = greatest(last_used_at, used.at) FROM used WHERE api_key.id = used.id";
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, [ids.into(), times.into()]);
        self.db.execute_raw(statement).await.map(|_| ())
    }
}

async fn load(db: &DatabaseConnection, public_id: &str) -> Result<Arc<Known>, DbErr> {
    let read_at = Instant::now();
    let unknown = || Arc::new(Known { caller: None, former: Vec::new(), read_at });
    let Some(key) = api_key::Entity::find().filter(api_key::Column::PublicId.eq(public_id)).one(db).await? else { return Ok(unknown()) };
    let former = former_secret::Entity::of(key.id).all(db).await?;
    let Some(account) = account::Entity::find_by_id(key.account_id).one(db).await? else { return Ok(unknown()) };
    Ok(Arc::new(Known { caller: Some(Arc::new(Caller::new(key, account))), former, read_at }))
}
