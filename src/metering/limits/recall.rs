//! What one replica holds and does not use, another may need: a refused call asks the others for it (NOTIFY), and they
//! shrink their leases to what is in flight.

use std::sync::Arc;
use std::time::Duration;

use entity::ids::{BalanceId, LeaseId};
use sea_orm::sqlx::Error;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::slice::Slice;
use super::{Limits, table};

const CHANNEL: &str = "lensmeter_recall";
/// A replica that has not answered for so long is not waited for: it is dead, and its lease runs out.
pub(super) const PATIENCE_MS: i64 = 300;

/// Asks the holders of all other leases on a balance for what they do not use. False when all of them were asked already.
pub(super) async fn call_in(txn: &DatabaseTransaction, balance: BalanceId, own: Option<LeaseId>) -> Result<bool, DbErr> {
    let statement = "UPDATE lease SET recalled_at = statement_timestamp()
        WHERE balance_id = $1 AND id IS DISTINCT FROM $2 AND amount > used
          AND (recalled_at IS NULL OR recalled_at > statement_timestamp())";
    let called = table::run(txn, statement, [balance.0.into(), own.map(|lease| lease.0).into()]).await?;
    if called > 0 {
        table::run(txn, "SELECT pg_notify($1, $2)", [CHANNEL.into(), balance.0.to_string().into()]).await?;
    }
    Ok(called > 0)
}

/// Answers recalls until the pool is closed.
pub(super) async fn answer(limits: Limits) {
    loop {
        match listen(&limits).await {
            Err(Error::PoolClosed) => return,
            Err(error) => tracing::warn!(%error, "recalls of leases are not heard: {error}"),
            Ok(()) => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn listen(limits: &Limits) -> Result<(), Error> {
    let mut listener = PgListener::connect_with(limits.db.get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let notification = listener.recv().await?;
        let Ok(balance) = notification.payload().parse::<Uuid>() else { continue };
        // Each in its own task: an account whose row is locked does not hold up the others.
        tokio::spawn(give(limits.clone(), BalanceId(balance)));
    }
}

/// Gives back what is free of this replica's lease on a balance.
async fn give(limits: Limits, balance: BalanceId) {
    let holders: Vec<Arc<Slice>> = limits.all().values().filter(|slice| slice.leases(balance)).cloned().collect();
    for slice in holders {
        // Beside a refill that is under way: two replicas that refuse a call each may need what the other has left.
        let Some((lease, free)) = slice.take_free(balance) else { continue };
        if let Err(error) = table::shrink(&limits.db, balance, lease, free).await {
            tracing::warn!(%error, "what is free of a lease could not be given back; it flows back when the lease ends");
        }
    }
}
