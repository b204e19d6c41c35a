//! `Idempotency-Key`: a retry gets the stored answer, free; while the first call runs, 409; with another body, 422.

mod lookup;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use entity::idempotency;
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use self::lookup::Lookup;

/// How long an answer is kept, unless a call says otherwise.
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// A request with a key.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'a> {
    pub account: AccountId,
    pub key: &'a str,
    pub route: &'a str,
    /// Tells its body from another.
    pub fingerprint: &'a [u8; 32],
    /// Wall time.
    pub now: entity::Time,
}

/// Why a call with a key goes no further.
#[derive(Debug, thiserror::Error)]
pub enum KeyConflict {
    /// The first call with this key has not finished.
    #[error("a call with this key is still running")]
    Running,
    /// The key was used for another request.
    #[error("the key was used for another request")]
    Mismatch,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// A key that begins, or one that ended before.
pub enum Begun {
    /// The first call: while the guard lives, others with the key wait outside.
    First(Running),
    /// The answer that was given.
    Replay(Vec<u8>),
}

/// Writes a key down. False when it is taken: a key that has expired may be used anew, a live one may not.
/// Another transaction that is writing the same key is waited for.
///
/// # Errors
/// When the database refuses.
pub async fn record_in(txn: &impl ConnectionTrait, row: idempotency::Model) -> Result<bool, DbErr> {
    let sql = "INSERT INTO idempotency AS old (account_id, key, route, fingerprint, event_id, answer, created_at, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               ON CONFLICT (account_id, key) DO UPDATE SET route = excluded.route, fingerprint = excluded.fingerprint,
                   event_id = excluded.event_id, answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
               WHERE old.expires_at <= excluded.created_at";
    let values = [
        row.account_id.0.into(),
        row.key.into(),
        row.route.into(),
        row.fingerprint.into(),
        row.event_id.map(|event| event.0).into(),
        row.answer.into(),
        row.created_at.into(),
        row.expires_at.into(),
    ];
    let written = txn.execute_raw(Statement::from_sql_and_values(txn.get_database_backend(), sql, values)).await?;
    Ok(written.rows_affected() == 1)
}

type Keys = Arc<Mutex<HashSet<(AccountId, String)>>>;

/// Calls in flight in this process and the stored answers. Cheap to clone. Two replicas that run the same key at once are
/// told apart at the commit.
#[derive(Clone)]
pub struct Idempotency {
    lookup: Lookup,
    running: Keys,
}

/// A key that is in flight.
pub struct Running {
    keys: Keys,
    own: (AccountId, String),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.own);
    }
}

impl Idempotency {
    pub(super) fn start(db: &DatabaseConnection) -> Self {
        Self { lookup: Lookup::start(db), running: Keys::default() }
    }

    /// Begins a call with a key, or finds the answer it got before.
    ///
    /// # Errors
    /// See [`KeyConflict`].
    pub async fn begin(&self, request: Keyed<'_>) -> Result<Begun, KeyConflict> {
        let own = (request.account, request.key.to_owned());
        if !self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(own.clone()) {
            return Err(KeyConflict::Running);
        }
        let running = Running { keys: self.running.clone(), own };
        // Looked up after the key is taken: a call that just finished is found here.
        match Box::pin(self.stored(request)).await? {
            Some(answer) => Ok(Begun::Replay(answer)),
            None => Ok(Begun::First(running)),
        }
    }

    /// The stored answer of a key, when there is one.
    ///
    /// # Errors
    /// [`KeyConflict::Mismatch`] when it belongs to another request.
    pub async fn stored(&self, request: Keyed<'_>) -> Result<Option<Vec<u8>>, KeyConflict> {
        let found = self.lookup.find(request.account, request.key).await?;
        match found.filter(|stored| request.now < stored.expires_at) {
            None => Ok(None),
            Some(stored) if stored.route == request.route && stored.fingerprint == request.fingerprint => Ok(Some(stored.answer)),
            Some(_) => Err(KeyConflict::Mismatch),
        }
    }
}
