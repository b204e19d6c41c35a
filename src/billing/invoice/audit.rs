//! The nightly self-audit: every issued invoice is computed again from its raw events and the prices it was frozen with, and
//! what comes out is compared with what was issued, byte by byte.

use chrono::TimeDelta;
use entity::ids::{AccountId, InvoiceId};
use entity::{Time, invoice_audit};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, Statement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{export, verify};
use crate::metering::archive::{Archive, ReadError};
use crate::platform::queue::Job;

/// How often an invoice is computed again.
const EVERY: TimeDelta = TimeDelta::hours(24);
/// How often when it was found the same and has events in a file, which is known by its hash not to change.
const ARCHIVED_EVERY: TimeDelta = TimeDelta::days(30);

/// Computes issued invoices again.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditInvoices {}

impl Job for AuditInvoices {
    const KIND: &'static str = "billing.audit_invoices";
}

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    pub same: usize,
    pub different: usize,
}

/// Audits up to `most` invoices that were not audited within a day, the longest waiting first, and remembers what it found.
///
/// # Errors
/// When the database refuses.
pub async fn run(db: &DatabaseConnection, archive: &Archive, most: u64, wall_now: Time) -> Result<Audited, DbErr> {
    // By the account's own time: whose clock was moved is looked at every day, as ever.
    let due = "SELECT i.id, i.account_id FROM invoice i LEFT JOIN invoice_audit a ON a.invoice_id = i.id,
                      (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' AS until FROM usage_archive) archived
               WHERE i.document_state <> 'draft' AND (a.at IS NULL OR a.at <= CASE
                     WHEN a.difference IS NULL AND i.period_starts_at < archived.until THEN $3 ELSE $1 END)
               ORDER BY a.at NULLS FIRST, i.id LIMIT $2";
    let values = [(wall_now - EVERY).into(), (most as i64).into(), (wall_now - ARCHIVED_EVERY).into()];
    let mut audited = Audited { same: 0, different: 0 };
    for row in db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), due, values)).await? {
        let (id, account) = (InvoiceId(row.try_get::<Uuid>("", "id")?), AccountId(row.try_get::<Uuid>("", "account_id")?));
        let difference = difference(db, archive, account, id).await?;
        match &difference {
            None => audited.same += 1,
            Some(found) => {
                audited.different += 1;
                tracing::error!(billing.invoice = %id, "invoice {id} is not what its events come to: {found}");
            }
        }
        remember(db, id, difference, wall_now).await?;
    }
    Ok(audited)
}

/// What of an issued invoice does not follow from its events and its frozen prices; also that these cannot be read.
///
/// # Errors
/// When the database refuses.
pub async fn difference(db: &DatabaseConnection, archive: &Archive, account: AccountId, id: InvoiceId) -> Result<Option<String>, DbErr> {
    let export = match export::export(db, archive, account, id).await {
        Ok(Some(export)) => export,
        Ok(None) => return Ok(Some("it cannot be exported".into())),
        Err(ReadError::Database(error)) => return Err(error),
        // One file that is away holds up no other invoice.
        Err(error) => return Ok(Some(error.to_string())),
    };
    Ok(verify::verify(&export).err().map(|difference| difference.to_string()))
}

async fn remember(db: &DatabaseConnection, id: InvoiceId, difference: Option<String>, at: Time) -> Result<(), DbErr> {
    let row = invoice_audit::ActiveModel { invoice_id: Set(id), at: Set(at), difference: Set(difference) };
    let again = OnConflict::column(invoice_audit::Column::InvoiceId)
        .update_columns([invoice_audit::Column::At, invoice_audit::Column::Difference])
        .to_owned();
    invoice_audit::Entity::insert(row).on_conflict(again).exec_without_returning(db).await.map(|_| ())
}
