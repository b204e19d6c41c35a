//! API keys: `lm_<mode>_<id>_<secret>`. Found by the id through a cache, proved by the hash of the secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::account::{self, Standing};
use entity::api_key;
use entity::ids::{AccountId, KeyId, MemberId};
use moka::future::Cache;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    Statement,
};
use uuid::Uuid;

use crate::platform::secret;

/// A revoked key is refused by every replica after this at the latest.
const FRESH: Duration = Duration::from_millis(900);
/// Keys kept in memory.
const CAPACITY: u64 = 100_000;
/// Keys that an account may have at a time.
const MAX_KEYS: usize = 100;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Call the models.
    Infer,
    /// Read usage.
    Usage,
    /// Make and revoke keys.
    Keys,
    /// Read the account, its balance and its documents.
    Billing,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Infer, Self::Usage, Self::Keys, Self::Billing];

    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Usage => "usage",
            Self::Keys => "keys",
            Self::Billing => "billing",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// Who calls: a key and its account, as they were less than a second ago.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key: api_key::Model,
    pub account: account::Model,
    scopes: Vec<String>,
}

impl Caller {
    /// A caller for a key and its account.
    pub fn new(key: api_key::Model, account: account::Model) -> Self {
        Self { scopes: key.scope_names(), key, account }
    }

    /// Whether the key has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|name| name == scope.as_str())
    }
}

/// Why a key does not authenticate. Unknown, wrong, revoked and expired look the same from outside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not valid")]
    Invalid,
    #[error("keys cannot be checked now")]
    Unavailable,
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    #[error("Give the key a name of at most 100 characters.")]
    Name,
    #[error("Choose at least one scope.")]
    NoScope,
    #[error("An account has at most 100 active keys: revoke one first.")]
    TooMany,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Makes a key. The second value is the whole key: it is shown once and kept nowhere.
///
/// # Errors
/// See [`CreateKeyError`].
pub async fn create_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    created_by: Option<MemberId>,
    name: &str,
    scopes: &[Scope],
    now: entity::Time,
) -> Result<(api_key::Model, String), CreateKeyError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(CreateKeyError::Name);
    }
    if scopes.is_empty() {
        return Err(CreateKeyError::NoScope);
    }
    if list(txn, account.id).await?.iter().filter(|key| key.revoked_at.is_none()).count() >= MAX_KEYS {
        return Err(CreateKeyError::TooMany);
    }
    let (public_id, proof) = (secret::alphanumeric(12), secret::alphanumeric(43));
    let text = format!("lm_{}_{public_id}_{proof}", account.mode.as_str());
    let row = api_key::ActiveModel {
        id: Set(KeyId::new()),
        account_id: Set(account.id),
        created_by: Set(created_by),
        name: Set(name.into()),
        public_id: Set(public_id),
        secret_hash: Set(secret::sha256(&proof)),
        // The last four characters tell two keys apart in a list and help nobody to guess the other 39.
        hint: Set(proof[proof.len() - 4..].into()),
        scopes: Set(scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().into()),
        created_at: Set(now),
        last_used_at: Set(None),
        expires_at: Set(None),
        revoked_at: Set(None),
    };
    Ok((api_key::Entity::insert(row).exec_with_returning(txn).await?, text))
}

/// All keys of an account, newest first, revoked ones too.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<api_key::Model>, DbErr> {
    api_key::Entity::of(account).order_by_desc(api_key::Column::Id).all(db).await
}

/// Revokes a key for good; false when the account has no such active key. This process refuses it at once.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(db: &impl ConnectionTrait, keys: &Keys, account: AccountId, id: KeyId, now: entity::Time) -> Result<bool, DbErr> {
    let Some(key) = api_key::Entity::of(account).filter(api_key::Column::Id.eq(id)).one(db).await? else { return Ok(false) };
    let revoked = api_key::Entity::update_many()
        .col_expr(api_key::Column::RevokedAt, Expr::value(now))
        .filter(api_key::Column::Id.eq(id))
        .filter(api_key::Column::AccountId.eq(account))
        .filter(api_key::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    keys.cache.invalidate(&key.public_id).await;
    Ok(revoked.rows_affected == 1)
}

/// Checks keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    db: DatabaseConnection,
    cache: Cache<String, Option<Arc<Caller>>>,
    /// Which keys were used since the last flush, and when: `last_used_at` costs no write per call.
    used: Arc<Mutex<HashMap<KeyId, entity::Time>>>,
}

impl Keys {
    /// Reads through a cache over `db`.
    pub fn new(db: DatabaseConnection) -> Self {
        Self { db, cache: Cache::builder().max_capacity(CAPACITY).time_to_live(FRESH).build(), used: Arc::default() }
    }

    /// Who the bearer of `text` is.
    ///
    /// # Errors
    /// See [`KeyError`]; with the database away nobody is let in.
    pub async fn authenticate(&self, text: &str, now: entity::Time) -> Result<Arc<Caller>, KeyError> {
        let (mode, public_id, proof) = parse(text).ok_or(KeyError::Invalid)?;
        let found = self.cache.try_get_with(public_id.to_owned(), load(&self.db, public_id)).await;
        let caller = match found {
            Ok(Some(caller)) => caller,
            Ok(None) => return Err(KeyError::Invalid),
            Err(error) => {
                tracing::warn!(%error, "keys cannot be read");
                return Err(KeyError::Unavailable);
            }
        };
        let proved = secret::equal(secret::sha256(proof), &caller.key.secret_hash);
        let live = caller.key.revoked_at.is_none() && caller.key.expires_at.is_none_or(|end| now < end);
        let open = caller.account.standing != Standing::Closed && caller.account.mode.as_str() == mode;
        if !(proved && live && open) {
            return Err(KeyError::Invalid);
        }
        self.note_use(caller.key.id, now);
        Ok(caller)
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
        let sql = "UPDATE api_key SET last_used_at = greatest(last_used_at, used.at)
                   FROM UNNEST($1::uuid[], $2::timestamptz[]) AS used(id, at) WHERE api_key.id = used.id";
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, [ids.into(), times.into()]);
        self.db.execute_raw(statement).await.map(|_| ())
    }
}

/// Mode, public id and secret of a well-formed key: a typo in its shape costs no look-up.
fn parse(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.strip_prefix("lm_")?.split('_');
    let (mode, public_id, proof) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && matches!(mode, "live" | "test") && public_id.len() == 12 && proof.len() == 43;
    whole.then_some((mode, public_id, proof))
}

async fn load(db: &DatabaseConnection, public_id: &str) -> Result<Option<Arc<Caller>>, DbErr> {
    let Some(key) = api_key::Entity::find().filter(api_key::Column::PublicId.eq(public_id)).one(db).await? else { return Ok(None) };
    let account = account::Entity::find_by_id(key.account_id).one(db).await?;
    Ok(account.map(|account| Arc::new(Caller::new(key, account))))
}
