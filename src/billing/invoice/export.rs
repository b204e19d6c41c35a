//! An invoice with everything that is needed to compute it again, as one JSON file.

use entity::ids::{AccountId, InvoiceId};
use entity::{Time, invoice_line};
use sea_orm::{DatabaseConnection, DbErr};
use serde::{Deserialize, Serialize};

use super::finalize::snapshot_of;
use super::record::EventRecord;
use super::snapshot::Snapshot;
use crate::metering::archive::{Archive, ReadError};
use crate::metering::events::{Events, Which};

/// What the `format` key says. Amounts are integers: `_nanos` in 1e-9 of the currency's major unit, `_minor` in minor units.
pub const FORMAT: &str = "lensmeter.invoice/2";

/// The exported invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub format: String,
    pub id: String,
    pub number: String,
    pub issued_at: Time,
    pub currency: String,
    pub subtotal_minor: i64,
    pub discount_minor: i64,
    pub tax_minor: i64,
    pub credits_applied_minor: i64,
    pub carried_in_minor: i64,
    pub carried_out_minor: i64,
    pub total_minor: i64,
    pub snapshot: Snapshot,
    pub lines: Vec<LineRecord>,
    pub events: Vec<EventRecord>,
}

/// A line of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRecord {
    pub seq: i32,
    pub kind: String,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_id: Option<String>,
    pub quantity: i64,
    pub exact_nanos: i64,
    pub amount_minor: i64,
    pub rounding_nanos: i64,
    pub events: i64,
    /// The sum of its events' SHA-256 modulo 2^256, in hex; see the module `metering::digest`.
    pub events_digest: String,
}

/// Exports an issued invoice of an account; `None` when it has no such invoice.
///
/// # Errors
/// When the database refuses, or its events were archived and cannot be read.
pub async fn export(db: &DatabaseConnection, archive: &Archive, account: AccountId, id: InvoiceId) -> Result<Option<Export>, ReadError> {
    let Some((invoice, lines)) = super::find(db, account, id).await? else { return Ok(None) };
    let snapshot = snapshot_of(&invoice).map_err(|error| DbErr::Custom(error.to_string()))?;
    let (Some(number), Some(issued_at)) = (invoice.number, invoice.issued_at) else { return Ok(None) };
    let events = Events::of(db, archive, account, Which::Period(invoice.period_id)).all().await?;
    Ok(Some(Export {
        format: FORMAT.into(),
        id: invoice.id.to_string(),
        number,
        issued_at,
        currency: invoice.currency,
        subtotal_minor: invoice.subtotal_minor.0,
        discount_minor: invoice.discount_minor.0,
        tax_minor: invoice.tax_minor.0,
        carried_in_minor: invoice.carried_in_minor.0,
        carried_out_minor: invoice.carried_out_minor.0,
        credits_applied_minor: invoice.credits_applied_minor.0,
        total_minor: invoice.total_minor.0,
        snapshot,
        lines: lines.into_iter().map(LineRecord::of).collect(),
        events: events.iter().map(EventRecord::of).collect(),
    }))
}

impl LineRecord {
    fn of(row: invoice_line::Model) -> Self {
        Self {
            seq: row.seq,
            kind: row.kind.as_str().into(),
            description: row.description,
            price_id: row.price_id.map(|id| id.to_string()),
            quantity: row.quantity,
            exact_nanos: row.exact_nanos.0,
            amount_minor: row.amount_minor.0,
            rounding_nanos: row.rounding_nanos.0,
            events: row.events,
            events_digest: hex::encode(row.events_digest),
        }
    }
}
