//! Months that ended long ago leave the database: a Parquet file in the store of objects takes the place of their partition.
//! Who reads events ([`super::events`]) finds them there; who adds up finds in `usage_archived` what they come to.
//!
//! A file is believed for its hashes: `usage_archive` has the SHA-256 of its end, and that has those of all other parts.

mod column;
mod detach;
pub(super) mod file;
mod month;
mod restore;
mod table;
mod tally;
mod verify;

use std::sync::Arc;

use entity::ids::{AccountId, PeriodId};
use entity::usage_archive;
use object_store::ObjectStore;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, QueryOrder as _, Statement};
use sea_orm::{RuntimeErr, TransactionTrait as _};

use crate::platform::db;

pub use detach::oldest;
pub use month::Month;
pub use restore::restore;
pub use verify::{Difference, verify};

/// "lensarch" in ASCII: the advisory lock of whoever changes which months are archived.
const ARCHIVE_LOCK: i64 = 0x6c65_6e73_6172_6368;

/// How long calls may wait behind us at most: they queue behind a lock that waits.
const PATIENCE: &str = "SET LOCAL lock_timeout = '500ms'";

/// Where the files are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: Arc<dyn ObjectStore>,
}

/// Is told of long work: what is done now, and with how many events so far.
pub type Progress<'a> = &'a (dyn Fn(&'static str, i64) + Sync);

/// Why archived events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Database(#[from] DbErr),
    /// May work later.
    #[error("archived usage cannot be read now: {object}: {error}")]
    Store { object: String, error: object_store::Error },
    /// Somebody's hand, or a disk.
    #[error("{object} is not what was archived: {what}; put the object back from a back-up of the storage")]
    Changed { object: String, what: String },
}

/// Why a month is not archived, or not restored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{object} cannot be written: {error}")]
    Write { object: String, error: String },
    #[error("another process archives or restores a month now: wait for it")]
    Busy,
    /// Calls must not wait for us.
    #[error("{month}: others use usage_event; nobody is kept waiting for this, so try again")]
    InUse { month: Month },
    #[error("{month}: period {period} of {account} has no issued invoice yet; neither this month nor a later one is archived before")]
    NotInvoiced { month: Month, account: AccountId, period: PeriodId },
    #[error("{month}: the file does not say what the partition says: events were written meanwhile; try again")]
    Moved { month: Month },
    #[error("{month} is too young: only months that ended {least} months ago are archived, up to {last}")]
    TooYoung { month: Month, least: u32, last: Month },
    #[error("{month} is not archived; see `lensmeter archive list`")]
    NotArchived { month: Month },
    #[error("{month}: {table} is a partition already, and the month is archived, too: one of them was made by hand")]
    Twice { month: Month, table: String },
}

impl From<DbErr> for ArchiveError {
    fn from(error: DbErr) -> Self {
        Self::Read(error.into())
    }
}

impl Archive {
    /// In these objects.
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }
}

/// The archived months, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<usage_archive::Model>, DbErr> {
    usage_archive::Entity::find().order_by_asc(usage_archive::Column::Month).all(db).await
}

/// The months that have a partition, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn attached(db: &impl ConnectionTrait) -> Result<Vec<Month>, DbErr> {
    let sql = "SELECT relname::text AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
               WHERE inhparent = 'usage_event'::regclass";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let names = rows.iter().map(|row| row.try_get::<String>("", "name")).collect::<Result<Vec<_>, _>>()?;
    let mut months: Vec<_> = names.iter().filter_map(|name| Month::of_table(name)).collect();
    months.sort_unstable();
    Ok(months)
}

/// Keeps everybody else from archiving and restoring until the transaction ends. It has no snapshot and no other lock while
/// files are written and read; the last step is done in it, so that whoever lost it in between changes nothing.
async fn lock(db: &DatabaseConnection) -> Result<DatabaseTransaction, ArchiveError> {
    let txn = db.begin().await?;
    let asked = Statement::from_sql_and_values(txn.get_database_backend(), "SELECT pg_try_advisory_xact_lock($1)", [ARCHIVE_LOCK.into()]);
    let held = txn.query_one_raw(asked).await?.map(|row| row.try_get_by_index::<bool>(0)).transpose()?;
    if held == Some(true) { Ok(txn) } else { Err(ArchiveError::Busy) }
}

/// What a statement under `lock_timeout` says when others had the table.
fn in_use(error: DbErr, month: Month) -> ArchiveError {
    // 55P03: lock_timeout was over. 40P01: we and a stray event waited for each other.
    match db::sqlstate(&error).as_deref() {
        Some("55P03" | "40P01") => ArchiveError::InUse { month },
        _ => error.into(),
    }
}

/// Encoding and decoding are work for a processor: not on the threads that serve.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DbErr> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DbErr::Conn(RuntimeErr::Internal(error.to_string())))
}
