//! What comes around by itself. One process at a time keeps the schedule: the one that holds the advisory lock.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, Statement, TransactionTrait as _};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::billing::alert::AlertsDue;
use crate::billing::auto_top_up::BuyCredit;
use crate::billing::close::CloseDue;
use crate::billing::credit::expire::ExpireCredit;
use crate::billing::dunning::DunDue;
use crate::billing::invoice::audit::AuditInvoices;
use crate::billing::sweep::SweepStripe;
use crate::billing::watch::compare::CompareBooks;
use crate::billing::watch::poll::PollEvents;
use crate::platform::queue::{self, Job};

/// "lenssche" in ASCII.
const LEADER_LOCK: i64 = 0x6c65_6e73_7363_6865;
const MINUTE: u32 = 60;

/// Expired leases and idempotency records, partitions of the months to come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Upkeep {}

impl Job for Upkeep {
    const KIND: &'static str = "metering.upkeep";
}

/// Sessions that ended, sign-ups that nobody confirmed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SweepAccounts {}

impl Job for SweepAccounts {
    const KIND: &'static str = "accounts.sweep";
}

/// Customers' jobs that are overdue or past their retention, inputs that belong to none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SweepJobs {}

impl Job for SweepJobs {
    const KIND: &'static str = "inference.sweep";
}

/// Months of usage that become files, oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ArchiveUsage {}

impl Job for ArchiveUsage {
    const KIND: &'static str = "metering.archive";
}

/// Enqueues each job of the table every so many seconds, while this process leads, until `stop`.
pub(super) async fn keep(app: App, stop: CancellationToken) {
    let mut leading: Option<DatabaseTransaction> = None;
    let mut second: u32 = 0;
    while !stop.is_cancelled() {
        match tick(&app, leading.take(), second).await {
            Ok(still) => leading = still,
            // The lock went with its connection: whoever gets it next leads.
            Err(error) => tracing::warn!(%error, "the schedule was interrupted"),
        }
        second = second.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn tick(app: &App, leading: Option<DatabaseTransaction>, second: u32) -> Result<Option<DatabaseTransaction>, DbErr> {
    let Some(lock) = hold(app, leading, second).await? else { return Ok(None) };
    let now = app.clock.now();
    // The key makes one job of many: a slow one is not joined by its successors.
    let key = || Some("periodic".to_owned());
    if second.is_multiple_of(MINUTE) {
        queue::enqueue_in(&app.db, &CloseDue {}, key(), now).await?;
        queue::enqueue_in(&app.db, &ExpireCredit {}, key(), now).await?;
        queue::enqueue_in(&app.db, &AuditInvoices {}, key(), now).await?;
        queue::enqueue_in(&app.db, &DunDue {}, key(), now).await?;
        queue::enqueue_in(&app.db, &SweepStripe {}, key(), now).await?;
        queue::enqueue_in(&app.db, &SweepAccounts {}, key(), now).await?;
        queue::enqueue_in(&app.db, &SweepJobs {}, key(), now).await?;
    }
    if second.is_multiple_of(15 * MINUTE) {
        queue::enqueue_in(&app.db, &PollEvents {}, key(), now).await?;
    }
    // It looks at the day itself: whoever leads since an hour would never come to one.
    if second.is_multiple_of(60 * MINUTE) {
        queue::enqueue_in(&app.db, &CompareBooks {}, key(), now).await?;
        queue::enqueue_in(&app.db, &ArchiveUsage {}, key(), now).await?;
    }
    if second.is_multiple_of(15) {
        queue::enqueue_in(&app.db, &AlertsDue {}, key(), now).await?;
    }
    if second.is_multiple_of(5) {
        queue::enqueue_in(&app.db, &Upkeep {}, key(), now).await?;
        queue::enqueue_in(&app.db, &BuyCredit {}, key(), now).await?;
    }
    Ok(Some(lock))
}

/// The lock lives in a transaction that stays open without a snapshot: it holds back no vacuum and goes with its connection.
async fn hold(app: &App, leading: Option<DatabaseTransaction>, second: u32) -> Result<Option<DatabaseTransaction>, DbErr> {
    if let Some(lock) = leading {
        lock.execute_unprepared("SELECT 1").await?;
        return Ok(Some(lock));
    }
    // Others ask now and then.
    if !second.is_multiple_of(5) {
        return Ok(None);
    }
    let txn = app.db.begin().await?;
    let statement =
        Statement::from_sql_and_values(txn.get_database_backend(), "SELECT pg_try_advisory_xact_lock($1) AS held", [LEADER_LOCK.into()]);
    let held = txn.query_one_raw(statement).await?.map(|row| row.try_get::<bool>("", "held")).transpose()?;
    Ok((held == Some(true)).then_some(txn))
}
