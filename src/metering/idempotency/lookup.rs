//! Reads stored answers for all calls that ask at the same time with one statement: those that queued while the last one was
//! under way. Each for itself would be a trip through the pool, which is dearer than all the rest of a call.

use std::collections::HashMap;

use entity::Time;
use entity::ids::AccountId;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, Postgres, Row as _};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr};
use tokio::sync::{mpsc, oneshot};

use crate::platform::db;

/// Calls that may wait to be looked up. More wait for their place.
const QUEUE: usize = 8192;
/// Keys of one statement.
const MOST: usize = 512;
/// One statement is under way at a time; the second takes over from one that breaks.
const CONNECTIONS: u32 = 2;

/// What was stored under a key.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub route: String,
    pub fingerprint: Vec<u8>,
    pub answer: Vec<u8>,
    pub expires_at: Time,
}

struct Asked {
    account: AccountId,
    key: String,
    answer: oneshot::Sender<Result<Option<Stored>, DbErr>>,
}

/// Finds stored answers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lookup {
    queue: mpsc::Sender<Asked>,
}

impl Lookup {
    /// Starts the reading task; it ends when the last handle is gone.
    pub fn start(db: &DatabaseConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(read_all(Reader { db: db::beside(db, CONNECTIONS), connection: None }, waiting));
        Self { queue }
    }

    /// What is committed under a key by now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, account: AccountId, key: &str) -> Result<Option<Stored>, DbErr> {
        let (answer, found) = oneshot::channel();
        let gone = || DbErr::Conn(RuntimeErr::Internal("stored answers are no longer read".into()));
        self.queue.send(Asked { account, key: key.to_owned(), answer }).await.map_err(|_| gone())?;
        found.await.map_err(|_| gone())?
    }
}

async fn read_all(mut reader: Reader, mut waiting: mpsc::Receiver<Asked>) {
    let mut asked = Vec::with_capacity(MOST);
    while waiting.recv_many(&mut asked, MOST).await > 0 {
        let found = match reader.read(&asked).await {
            // The connection that was kept may have died meanwhile; another one is tested before it is handed out.
            Err(_) => reader.read(&asked).await,
            found => found,
        };
        let found = found.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())));
        for Asked { account, key, answer } in asked.drain(..) {
            // A call whose client went away no longer waits.
            drop(answer.send(found.as_ref().map(|found| found.get(&(account, key)).cloned()).map_err(Clone::clone)));
        }
    }
}

struct Reader {
    db: DatabaseConnection,
    /// Kept between statements, as the writer keeps its own.
    connection: Option<PoolConnection<Postgres>>,
}

impl Reader {
    async fn read(&mut self, asked: &[Asked]) -> Result<HashMap<(AccountId, String), Stored>, sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => self.db.get_postgres_connection_pool().acquire().await?,
        };
        let sql = "SELECT account_id, key, route, fingerprint, answer, expires_at
                   FROM UNNEST($1::uuid[], $2::text[]) AS asked(account_id, key) JOIN idempotency USING (account_id, key)";
        let query = sqlx::query(sql)
            .bind(asked.iter().map(|asked| asked.account.0).collect::<Vec<_>>())
            .bind(asked.iter().map(|asked| asked.key.as_str()).collect::<Vec<_>>());
        let rows = query.fetch_all(&mut *connection).await?;
        self.connection = Some(connection);
        let read = |row: &sqlx::postgres::PgRow| {
            let (route, fingerprint, answer) = (row.try_get("route")?, row.try_get("fingerprint")?, row.try_get("answer")?);
            let stored = Stored { route, fingerprint, answer, expires_at: row.try_get("expires_at")? };
            Ok(((AccountId(row.try_get("account_id")?), row.try_get("key")?), stored))
        };
        rows.iter().map(read).collect()
    }
}
