//! Windows that all replicas share: one row per subject, one small UPDATE per slice.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use uuid::Uuid;

/// What a replica got of a window.
pub(super) struct Grant {
    pub granted: u64,
    /// What is left of it for everybody.
    pub rest: u64,
    pub ends_in: Duration,
}

/// At most `$3` calls, and at most an eighth of what is left: other replicas find some, too. A window that is over, or lies
/// in the future because the server's clock was set back, begins anew. `now()` is one instant for the whole statement; a
/// statement that waited for the row may see a window that began after it, and takes from that.
const TAKE: &str = "
    INSERT INTO rate_window AS r (id, starts_at, taken, granted)
    VALUES ($1, now(), least($3, greatest(1, $2 / 8), $2), least($3, greatest(1, $2 / 8), $2))
    ON CONFLICT (id) DO UPDATE SET (starts_at, taken, granted) = (
        SELECT current.starts_at, current.taken + slice.size, slice.size
        FROM (SELECT now() >= r.starts_at + $4 * interval '1 millisecond' OR now() < r.starts_at - $4 * interval '1 millisecond') AS o(is_over),
        LATERAL (SELECT CASE WHEN is_over THEN now() ELSE r.starts_at END, CASE WHEN is_over THEN 0 ELSE r.taken END) AS current(starts_at, taken),
        LATERAL (SELECT greatest(0, least($3, greatest(1, ($2 - current.taken) / 8), $2 - current.taken))) AS slice(size))
    RETURNING granted, greatest(0, $2 - taken) AS rest,
        (extract(epoch FROM starts_at - now()) * 1000)::bigint + $4 AS ends_in";

/// Takes up to `wanted` calls of the subject's present window.
pub(super) async fn take(db: &DatabaseConnection, id: Uuid, quota: u64, window: Duration, wanted: u64) -> Result<Grant, DbErr> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let millis = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let values = [id.into(), number(quota).into(), number(wanted).into(), millis.into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), TAKE, values)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("an upsert returns its row".into()))?;
    let column = |name: &str| row.try_get::<i64>("", name).map(|number| number.max(0).unsigned_abs());
    Ok(Grant { granted: column("granted")?, rest: column("rest")?, ends_in: Duration::from_millis(column("ends_in")?) })
}

/// Drops windows that are long over.
///
/// # Errors
/// When the database refuses.
pub async fn forget_old(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared("DELETE FROM rate_window WHERE starts_at < now() - interval '1 hour'").await.map(|_| ())
}
