//! A month comes back from its file: a table is filled beside the others, and put in its place with the books in one step.

use entity::usage_event::Model as Event;
use entity::{usage_archive, usage_archived};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, Statement, Value,
};

use super::column::COLUMNS;
use super::file::File;
use super::{Archive, ArchiveError, Month, PATIENCE, Progress, attached, in_use, lock};

/// Brings the events of an archived month back into the database, and returns how many there are. Its file stays where it is.
///
/// # Errors
/// See [`ArchiveError`]: the month is then archived as before. What a killed run has left is begun anew.
pub async fn restore(db: &DatabaseConnection, archive: &Archive, month: Month, progress: Progress<'_>) -> Result<i64, ArchiveError> {
    let lock = lock(db).await?;
    let found = usage_archive::Entity::find_by_id(month.date()).one(db).await?;
    let row = found.ok_or(ArchiveError::NotArchived { month })?;
    if attached(db).await?.contains(&month) {
        return Err(ArchiveError::Twice { month, table: month.table() });
    }
    prepare(db, month).await?;
    let file = File::open(archive, row).await?;
    let mut events = 0;
    for part in file.parts() {
        // Each part is known by its hash to be what was written.
        let page = file.part(part, None).await?;
        insert(db, month, &page).await?;
        events += page.len() as i64;
        progress("restoring", events);
    }
    attach_in(&lock, month).await?;
    lock.commit().await?;
    tracing::info!(metering.month = %month, events, "{month} is in the database again");
    Ok(events)
}

/// A table like a partition that is none yet. The CHECK spares the scan that attaching would do while others wait.
async fn prepare(db: &DatabaseConnection, month: Month) -> Result<(), DbErr> {
    let (table, ids) = (month.table(), month.ids());
    db.execute_unprepared(&format!("DROP TABLE IF EXISTS {table}")).await?;
    let (first, last) = (ids.start().0, ids.end().0);
    let sql = format!(
        "CREATE TABLE {table} (LIKE usage_event INCLUDING ALL,
             CONSTRAINT within_its_month CHECK (id IS NOT NULL AND id >= '{first}' AND id <= '{last}'))"
    );
    db.execute_unprepared(&sql).await.map(drop)
}

async fn insert(db: &DatabaseConnection, month: Month, events: &[Event]) -> Result<(), DbErr> {
    let (mut names, mut places, mut values) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    for column in &COLUMNS {
        let (kind, value) = column.kind.array(events);
        values.push(value);
        names.push(column.name);
        places.push(format!("${}::{kind}", values.len()));
    }
    let sql = format!("INSERT INTO {} ({}) SELECT * FROM UNNEST({})", month.table(), names.join(", "), places.join(", "));
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(drop)
}

/// The last step, in one transaction. Attaching alone would let readers pass: one that was planned before it and took its
/// snapshot after it would find the month neither in a partition nor in the archive. So it has `usage_event` for itself, for
/// the moment that this takes, and waits for that no longer than detaching does.
async fn attach_in(lock: &DatabaseTransaction, month: Month) -> Result<(), ArchiveError> {
    let (table, ids) = (month.table(), month.ids());
    // A bound of a partition is excluded, so that of the next month.
    let (first, end) = (ids.start().0, uuid::Uuid::from_u128(ids.end().0.as_u128() + 1));
    for statement in [
        PATIENCE.to_owned(),
        "LOCK TABLE usage_event IN ACCESS EXCLUSIVE MODE".to_owned(),
        // Events that a clock which jumped back put among the strays: there they would keep the partition out.
        format!(
            "WITH stray AS (DELETE FROM usage_event_default WHERE id >= '{first}' AND id < '{end}' RETURNING *)
             INSERT INTO {table} SELECT * FROM stray"
        ),
        format!("ALTER TABLE usage_event ATTACH PARTITION {table} FOR VALUES FROM ('{first}') TO ('{end}')"),
        format!("ALTER TABLE {table} DROP CONSTRAINT within_its_month"),
    ] {
        lock.execute_unprepared(&statement).await.map_err(|error| in_use(error, month))?;
    }
    usage_archived::Entity::delete_many().filter(usage_archived::Column::Month.eq(month.date())).exec(lock).await?;
    usage_archive::Entity::delete_by_id(month.date()).exec(lock).await?;
    Ok(())
}
