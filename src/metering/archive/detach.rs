//! A month becomes a file: write, read back, compare with the partition under a lock, and let it go.

use bytes::Bytes;
use entity::ids::{AccountId, EventId, PeriodId};
use entity::usage_event::Model as Event;
use entity::{Time, usage_archive, usage_archived};
use futures_util::TryStreamExt as _;
use object_store::buffered::BufWriter;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, FromQueryResult as _, Statement};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::file::File;
use super::table::Writer;
use super::tally::{self, Tally, Totals};
use super::{Archive, ArchiveError, Month, PATIENCE, Progress, attached, compute, in_use, lock};
use crate::platform::config::Usage;
use crate::platform::secret::sha256;

/// Events of one part of a file: what whoever reads one event of it fetches and decodes.
const PART: i64 = 20_000;
/// Bytes that are gathered for one request.
const BUFFER: usize = 8 << 20;

/// Archives the oldest month that has a partition, when it is before `before`. None when there is no such month.
///
/// # Errors
/// See [`ArchiveError`]: the partition is then where it was. A file that was left behind is overwritten by the next try.
pub async fn oldest(
    db: &DatabaseConnection,
    archive: &Archive,
    before: Month,
    now: Time,
    progress: Progress<'_>,
) -> Result<Option<usage_archive::Model>, ArchiveError> {
    let last = Month::of(now).before(Usage::LEAST_MONTHS + 1);
    if before.before(1) > last {
        return Err(ArchiveError::TooYoung { month: before.before(1), least: Usage::LEAST_MONTHS, last });
    }
    let lock = lock(db).await?;
    let Some(month) = attached(db).await?.first().copied().filter(|month| *month < before) else { return Ok(None) };
    invoiced(db, month).await?;
    let (row, written) = write(db, archive, month, &lock, (now, progress)).await?;
    let found = read_back(archive, &row, progress).await?;
    if found != written {
        return Err(ArchiveError::Moved { month });
    }
    detach_in(&lock, month, &row, &found).await?;
    lock.commit().await?;
    tracing::info!(metering.month = %month, events = row.events, bytes = row.bytes, "{month} is archived as {}", row.object);
    Ok(Some(row))
}

/// A period whose invoice is not issued keeps its events here: whoever looks into a parked invoice has them at hand.
async fn invoiced(db: &DatabaseConnection, month: Month) -> Result<(), ArchiveError> {
    let sql = format!(
        "SELECT p.account_id, p.id FROM period p
         WHERE NOT EXISTS (SELECT 1 FROM invoice i WHERE i.period_id = p.id AND i.document_state NOT IN ('draft', 'void'))
           AND EXISTS (SELECT 1 FROM {} e WHERE e.period_id = p.id) ORDER BY p.starts_at LIMIT 1",
        month.table()
    );
    let Some(row) = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await? else { return Ok(()) };
    let (account, period) = (AccountId(row.try_get("", "account_id")?), PeriodId(row.try_get("", "id")?));
    Err(ArchiveError::NotInvoiced { month, account, period })
}

/// Writes the file and says what is in it.
async fn write(
    db: &DatabaseConnection,
    archive: &Archive,
    month: Month,
    lock: &DatabaseTransaction,
    (now, progress): (Time, Progress<'_>),
) -> Result<(usage_archive::Model, Totals), ArchiveError> {
    let object = month.object();
    let failed = |error: String| ArchiveError::Write { object: object.to_string(), error };
    let mut upload = BufWriter::with_capacity(archive.objects.clone(), object.clone(), BUFFER);
    let (bytes, footer, totals) = match fill(db, month, &mut upload, &failed, progress).await {
        Ok(filled) => filled,
        Err(error) => {
            // What a bucket has of it so far would stay there, and cost.
            drop(upload.abort().await);
            return Err(error);
        }
    };
    // Whoever lost the lock meanwhile puts no file in the place of another's.
    lock.execute_unprepared("SELECT 1").await?;
    // When this returns the object is there, whole and durable.
    upload.shutdown().await.map_err(|error| failed(error.to_string()))?;
    let row = usage_archive::Model {
        month: month.date(),
        object: object.to_string(),
        bytes: bytes + footer.len() as i64,
        events: totals.events,
        digest: totals.digest.bytes().to_vec(),
        footer_bytes: footer.len() as i64,
        footer_sha256: sha256(&footer),
        archived_at: now,
    };
    Ok((row, totals))
}

/// Sends the parts, a page of the partition each, and the footer. Returns the bytes of the parts, and the footer.
async fn fill(
    db: &DatabaseConnection,
    month: Month,
    upload: &mut BufWriter,
    failed: &(dyn Fn(String) -> ArchiveError + Sync),
    progress: Progress<'_>,
) -> Result<(i64, Bytes, Totals), ArchiveError> {
    let mut writer = Writer::new().map_err(|error| failed(error.to_string()))?;
    let (mut tally, mut bytes, mut events) = (Tally::default(), 0, 0);
    let mut behind = (AccountId(Uuid::nil()), EventId(Uuid::nil()));
    loop {
        let page = page(db, month, behind).await?;
        let Some(last) = page.last() else { break };
        behind = (last.account_id, last.id);
        events += page.len() as i64;
        let written;
        (writer, tally, written) = compute(move || encode(writer, tally, &page)).await?;
        let part = written.map_err(|error| failed(error.to_string()))?;
        bytes += part.len() as i64;
        upload.put(part).await.map_err(|error| failed(error.to_string()))?;
        progress("writing", events);
    }
    let footer = writer.footer().map_err(|error| failed(error.to_string()))?;
    upload.put(footer.clone()).await.map_err(|error| failed(error.to_string()))?;
    Ok((bytes, footer, tally.finish().1))
}

type Encoded = (Writer, Tally, parquet::errors::Result<Bytes>);

fn encode(mut writer: Writer, mut tally: Tally, page: &[Event]) -> Encoded {
    for event in page {
        tally.add(event);
    }
    let part = writer.part(page);
    (writer, tally, part)
}

/// The next events of a partition by its key, which is the order of the file.
async fn page(db: &DatabaseConnection, month: Month, (account, id): (AccountId, EventId)) -> Result<Vec<Event>, DbErr> {
    let sql = format!("SELECT * FROM {} WHERE (account_id, id) > ($1, $2) ORDER BY account_id, id LIMIT $3", month.table());
    let values = [account.0.into(), id.0.into(), PART.into()];
    Event::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await
}

/// What the file in the store comes to: a file that does not give back what was written is none.
async fn read_back(archive: &Archive, row: &usage_archive::Model, progress: Progress<'_>) -> Result<Totals, ArchiveError> {
    let file = File::open(archive, row.clone()).await?;
    let mut tally = Tally::default();
    let mut events = 0;
    for part in file.parts() {
        for event in file.part(part, None).await? {
            tally.add(&event);
            events += 1;
        }
        progress("reading back", events);
    }
    Ok(tally.finish().1)
}

/// The last step, in one transaction: the books never see half of it.
///
/// Locks: first the partition in SHARE mode, against an event that a clock which jumped back puts there; calls of today do not
/// notice, and readers neither. Adding up a month takes seconds. Only then `usage_event` itself (ACCESS EXCLUSIVE, by DETACH;
/// CONCURRENTLY does not go with a default partition), and with it the default partition, for the moment until COMMIT. Readers
/// and writers take `usage_event` first and partitions after it, the other way round, yet readers never wait for SHARE. A writer of such a
/// stray event may, and we for it: we give up before PostgreSQL looks for deadlocks (`deadlock_timeout`, a second). And
/// every call queues behind a lock that waits, so we wait half a second at most and come again.
async fn detach_in(lock: &DatabaseTransaction, month: Month, row: &usage_archive::Model, file: &Totals) -> Result<(), ArchiveError> {
    let in_use = |error| in_use(error, month);
    let table = month.table();
    lock.execute_unprepared(PATIENCE).await?;
    lock.execute_unprepared(&format!("LOCK TABLE {table} IN SHARE MODE")).await.map_err(in_use)?;
    let sums = sum_in(lock, month).await?;
    if (sums.events, sums.sums) != (file.events, file.sums) {
        return Err(ArchiveError::Moved { month });
    }
    usage_archive::Entity::insert(usage_archive::ActiveModel::from(row.clone())).exec_without_returning(lock).await?;
    lock.execute_unprepared(&format!("ALTER TABLE usage_event DETACH PARTITION {table}")).await.map_err(in_use)?;
    lock.execute_unprepared(&format!("DROP TABLE {table}")).await.map_err(in_use)?;
    Ok(())
}

/// Adds the partition up into `usage_archived`, by the database itself.
async fn sum_in(txn: &DatabaseTransaction, month: Month) -> Result<Totals, DbErr> {
    let sql = format!(
        "INSERT INTO usage_archived (account_id, month, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos)
         SELECT account_id, $1, period_id, price_id, key_id, model, date_trunc('hour', at, 'UTC'), count(*), sum(quantity)::bigint,
                sum(amount_nanos)::bigint FROM {} GROUP BY 1, 3, 4, 5, 6, 7 RETURNING *",
        month.table()
    );
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, [month.date().into()]);
    let mut totals = Totals::default();
    let mut rows = usage_archived::Model::find_by_statement(statement).stream(txn).await?;
    while let Some(row) = rows.try_next().await? {
        let (account, key, sums) = tally::parts(row);
        totals.events += sums[0];
        totals.add_sum(account, &key, sums);
    }
    Ok(totals)
}
