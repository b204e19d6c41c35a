//! Connecting, migrating under a lock, and the names of the errors that code acts on.

use std::time::Duration;

use migration::{Migrator, MigratorTrait as _};
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr, RuntimeErr, SqlErr, SqlxPostgresConnector,
    TransactionTrait as _,
};
use tokio::net::TcpStream;

/// "lensmete" in ASCII: the advisory lock that migrations hold.
const MIGRATION_LOCK: i64 = 0x6c65_6e73_6d65_7465;
/// How long work waits for a connection of a pool.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Opens a pool. Fails within seconds when the database does not answer.
///
/// # Errors
/// When no connection can be made.
pub async fn connect(url: &str, max_connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(max_connections).connect_timeout(Duration::from_secs(5)).acquire_timeout(ACQUIRE).sqlx_logging(false);
    match Database::connect(options).await {
        Ok(db) => Ok(db),
        // The pool asks again until its time is over and then only says that it is: the socket knows why.
        Err(error) => Err(unreachable(url).await.map_or(error, |reason| DbErr::Conn(RuntimeErr::Internal(reason)))),
    }
}

/// A small pool of its own to the same database, for the few statements that are run again and again: what waits there
/// never waits for a crowd of readers elsewhere. They are planned once and not for each run; a plan that was made when a
/// table was small must still find rows by their keys when it is large.
#[must_use]
pub fn beside(db: &DatabaseConnection, connections: u32) -> DatabaseConnection {
    let pool = db.get_postgres_connection_pool();
    let options = pool.connect_options().as_ref().clone().options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")]);
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).connect_lazy_with(options);
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

/// Why the server of a URL cannot be reached, when it cannot.
async fn unreachable(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let (host, port) = (url.host_str()?, url.port().unwrap_or(5432));
    let reached = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect((host, port))).await;
    match reached {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("{host}:{port}: {error}")),
        Err(_) => Some(format!("{host}:{port}: no answer within two seconds")),
    }
}

/// Brings the schema up to date. Replicas may start together: the advisory lock lets one migrate while the others wait.
///
/// # Errors
/// When the database refuses; the schema is then as before, each migration being its own transaction.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    // The lock lives in a transaction of its own connection: it goes when that ends, however it ends.
    let lock = db.begin().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    Migrator::up(db, None).await?;
    lock.commit().await
}

/// How many migrations this program knows that the database has not had.
///
/// # Errors
/// When the database does not answer.
pub async fn pending_migrations(db: &DatabaseConnection) -> Result<usize, DbErr> {
    Ok(Migrator::get_pending_migrations_read_only(db).await?.len())
}

/// True when a unique constraint stopped the statement.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// The SQLSTATE of an error that came from the server.
pub fn sqlstate(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else { return None };
    inner.as_database_error()?.code().map(|code| code.into_owned())
}

/// The table whose CHECK stopped the statement.
pub fn checked_table(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else { return None };
    is_check_violation(error).then(|| inner.as_database_error()?.table().map(str::to_owned))?
}

/// True when a CHECK stopped the statement (23514): of `balance`, that is an overspend.
pub fn is_check_violation(error: &DbErr) -> bool {
    sqlstate(error).as_deref() == Some("23514")
}
