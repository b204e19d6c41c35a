//! Finds what no webhook told: asks Stripe about invoices and top-ups that have waited for some minutes.

use chrono::TimeDelta;
use entity::Time;
use entity::ids::{InvoiceId, TopUpId};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::payment::SyncInvoice;
use super::top_up::SyncTopUp;
use crate::platform::queue::{self, Job};

/// How long a webhook may take before we ask.
const PATIENCE: TimeDelta = TimeDelta::minutes(3);
/// A checkout page lives for a day; Stripe keeps its answer for longer.
const PAGE_LIFE: TimeDelta = TimeDelta::hours(48);
/// A top-up without a page for so long never got one: Stripe did not answer when it was started.
const STILLBORN: TimeDelta = TimeDelta::hours(1);

/// Runs the sweep.
#[derive(Debug, Serialize, Deserialize)]
pub struct SweepStripe {}

impl Job for SweepStripe {
    const KIND: &'static str = "billing.sweep_stripe";
}

/// Enqueues a look at Stripe for up to 50 waiting invoices and top-ups each, drawn at random so that none waits for ever
/// behind fifty that stay unpaid. Ages are read from the ids, which are made by the wall clock.
///
/// # Errors
/// When the database refuses.
pub async fn run(db: &DatabaseConnection, wall_now: Time) -> Result<(), DbErr> {
    let invoices = "SELECT id FROM invoice WHERE document_state = 'open' AND payment_state IN ('unpaid', 'processing')
                      AND stripe_invoice_id IS NOT NULL AND id < uuid_floor($1) AND id >= uuid_floor($2)
                      -- What a dispute took back is paid there for ever.
                      AND NOT EXISTS (SELECT 1 FROM dispute WHERE invoice_id = invoice.id AND state = 'lost')
                    ORDER BY random() LIMIT 50";
    for id in ids(db, invoices, wall_now, TimeDelta::days(365)).await? {
        queue::enqueue_in(db, &SyncInvoice { invoice: InvoiceId(id) }, Some(id.to_string()), wall_now).await?;
    }
    let top_ups = "SELECT id FROM top_up WHERE state = 'pending' AND (stripe_session_id IS NOT NULL OR automatic)
                     AND id < uuid_floor($1) AND id >= uuid_floor($2)
                   ORDER BY random() LIMIT 50";
    for id in ids(db, top_ups, wall_now, PAGE_LIFE).await? {
        queue::enqueue_in(db, &SyncTopUp { top_up: TopUpId(id) }, Some(id.to_string()), wall_now).await?;
    }
    let stillborn = "UPDATE top_up SET state = 'expired' WHERE state = 'pending' AND stripe_session_id IS NULL AND NOT automatic AND id < uuid_floor($1)";
    let values = [(wall_now - STILLBORN).into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), stillborn, values)).await?;
    Ok(())
}

async fn ids(db: &DatabaseConnection, sql: &str, wall_now: Time, oldest: TimeDelta) -> Result<Vec<Uuid>, DbErr> {
    let values = [(wall_now - PATIENCE).into(), (wall_now - oldest).into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}
