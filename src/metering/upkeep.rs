//! What metering needs now and then: partitions ahead of time, leases of dead replicas, old idempotency records.

use chrono::Months;
use entity::idempotency;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, Statement};

use super::{limits, rate};

/// Runs all of it. Safe to run anywhere, any number of times.
///
/// # Errors
/// When the database refuses; what was done stays done.
pub async fn run(db: &DatabaseConnection, now: entity::Time) -> Result<(), DbErr> {
    ensure_partitions(db, now).await?;
    limits::reclaim_expired(db).await?;
    forget_windows(db, now).await?;
    idempotency::Entity::delete_many().filter(idempotency::Column::ExpiresAt.lte(now)).exec(db).await?;
    rate::forget_old(db).await?;
    Ok(())
}

/// This month's partition and the next two: event ids are made from the wall clock.
async fn ensure_partitions(db: &DatabaseConnection, now: entity::Time) -> Result<(), DbErr> {
    for ahead in 0..3 {
        let month = now + Months::new(ahead);
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), "SELECT ensure_usage_partition($1)", [month.into()]))
            .await?;
    }
    Ok(())
}

/// Windows of budgets that are over for months: what they were opened from is still there.
async fn forget_windows(db: &DatabaseConnection, now: entity::Time) -> Result<(), DbErr> {
    let sql = "DELETE FROM balance WHERE scope IN ('month', 'week', 'day') AND window_start < $1
               AND NOT EXISTS (SELECT 1 FROM lease WHERE balance_id = balance.id)";
    let long_ago = now - Months::new(3);
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, [long_ago.into()])).await.map(drop)
}
