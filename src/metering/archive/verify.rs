//! Whether a file still says what was archived, and the books what the file says.

use entity::ids::AccountId;
use entity::{usage_archive, usage_archived};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, QueryFilter as _, Statement};

use super::file::File;
use super::tally::{self, Sums, Tally};
use super::{Archive, Month, Progress, ReadError};

/// The first thing of a month that is not as it was archived.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    /// The file itself.
    #[error(transparent)]
    File(#[from] ReadError),
    #[error("{month}: usage_archive says {found} events, its file has {expected}")]
    Events { month: Month, expected: i64, found: i64 },
    #[error("{month}: the digest in usage_archive is not that of the events in its file")]
    Digest { month: Month },
    #[error("{month}: usage_archived, {account}, {what}: expected {expected} by the file, found {found}")]
    Sums { month: Month, account: AccountId, what: String, expected: i64, found: i64 },
    #[error("{month}: usage_archived has sums of {found} accounts, its file has events of {expected}")]
    Accounts { month: Month, expected: i64, found: i64 },
}

impl From<DbErr> for Difference {
    fn from(error: DbErr) -> Self {
        Self::File(error.into())
    }
}

/// Reads a file whole and compares it with what the database says of it.
///
/// # Errors
/// The first difference; or that the file or the database cannot be read.
pub async fn verify(
    db: &DatabaseConnection,
    archive: &Archive,
    row: &usage_archive::Model,
    progress: Progress<'_>,
) -> Result<(), Difference> {
    let month = Month::from(row.month);
    let file = File::open(archive, row.clone()).await?;
    let (mut tally, mut events, mut accounts) = (Tally::default(), 0, 0);
    for part in file.parts() {
        for event in file.part(part, None).await? {
            events += 1;
            if let Some((account, sums)) = tally.add(&event) {
                accounts += 1;
                same(db, month, account, sums).await?;
            }
        }
        progress("verifying", events);
    }
    let (last, totals) = tally.finish();
    if let Some((account, sums)) = last {
        accounts += 1;
        same(db, month, account, sums).await?;
    }
    if totals.events != row.events {
        return Err(Difference::Events { month, expected: totals.events, found: row.events });
    }
    if totals.digest.bytes()[..] != row.digest {
        return Err(Difference::Digest { month });
    }
    let sql = "SELECT count(DISTINCT account_id) FROM usage_archived WHERE month = $1";
    let counted = Statement::from_sql_and_values(db.get_database_backend(), sql, [row.month.into()]);
    let found = db.query_one_raw(counted).await?.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    if found == accounts { Ok(()) } else { Err(Difference::Accounts { month, expected: accounts, found }) }
}

/// The sums of one account, as the file has them and as the books do.
async fn same(db: &DatabaseConnection, month: Month, account: AccountId, expected: Sums) -> Result<(), Difference> {
    let own = usage_archived::Entity::of(account).filter(usage_archived::Column::Month.eq(month.date()));
    let mut found: Sums = own.all(db).await?.into_iter().map(tally::parts).map(|(_, key, sums)| (key, sums)).collect();
    for (key, expected) in expected {
        let found = found.remove(&key).unwrap_or_default();
        differing(month, account, &key, expected, found)?;
    }
    found.into_iter().try_for_each(|(key, found)| differing(month, account, &key, [0; 3], found))
}

fn differing(month: Month, account: AccountId, key: &tally::Key, expected: [i64; 3], found: [i64; 3]) -> Result<(), Difference> {
    let (_, _, id, model, hour) = key;
    for (what, (expected, found)) in ["events", "units", "nanos"].iter().zip(expected.into_iter().zip(found)) {
        if expected != found {
            let what = format!("hour {hour}, {id}, model {model}: {what}");
            return Err(Difference::Sums { month, account, what, expected, found });
        }
    }
    Ok(())
}
