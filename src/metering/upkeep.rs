//! What metering needs now and then: partitions ahead of time, leases of dead replicas, old idempotency records.

use chrono::Months;
use entity::ids::AccountId;
use entity::{idempotency, lease};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement,
    TransactionTrait as _,
};

use super::limits;

/// Runs all of it. Safe to run anywhere, any number of times.
///
/// # Errors
/// When the database refuses; what was done stays done.
pub async fn run(db: &DatabaseConnection, now: entity::Time) -> Result<(), DbErr> {
    ensure_partitions(db, now).await?;
    reclaim_expired_leases(db).await?;
    idempotency::Entity::delete_many().filter(idempotency::Column::ExpiresAt.lte(now)).exec(db).await?;
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

async fn reclaim_expired_leases(db: &DatabaseConnection) -> Result<(), DbErr> {
    let accounts: Vec<AccountId> = lease::Entity::find()
        .select_only()
        .column(lease::Column::AccountId)
        .distinct()
        .filter(Expr::cust("expires_at <= clock_timestamp()"))
        .into_tuple()
        .all(db)
        .await?;
    for account in accounts {
        let txn = db.begin().await?;
        let lock = "SELECT 1 FROM balance WHERE account_id = $1 FOR UPDATE";
        txn.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), lock, [account.0.into()])).await?;
        limits::reclaim_in(&txn, account).await?;
        txn.commit().await?;
    }
    Ok(())
}
