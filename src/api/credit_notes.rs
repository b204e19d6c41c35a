//! Credit notes: corrections of invoices, each a document of its own.

use chrono::{DateTime, Utc};
use entity::credit_note as rows;
use entity::ids::{CreditNoteId, InvoiceId};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::invoices::Pdf;
use super::paging::List;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::invoice::{self, note};
use crate::web::json::problem::Problem;

pub struct CreditNotesApi;

/// What `object` says.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CreditNoteObject {
    /// A credit note.
    CreditNote,
}

/// A credit note. It is frozen from the start.
#[derive(Debug, Object)]
pub struct CreditNote {
    /// `cn_…`
    pub id: String,
    /// Always `credit_note`.
    pub object: CreditNoteObject,
    /// The number on the document.
    pub number: String,
    /// The invoice that it corrects.
    pub invoice: String,
    /// Why.
    pub reason: String,
    /// Currency of every amount here.
    pub currency: String,
    /// What it takes off, with the tax in it.
    pub amount: String,
    /// The tax in it.
    pub tax: String,
    /// `none`: it was not paid and is not due any more; `refund`: it goes back the way it was paid; `credit`: it became credit.
    pub settlement: String,
    /// When it was issued, in the account's own time.
    pub issued_at: DateTime<Utc>,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Invoices")]
impl CreditNotesApi {
    /// List the credit notes of an invoice
    ///
    /// Oldest first. Needs the scope `billing`.
    #[oai(path = "/invoices/:id/credit-notes", method = "get", operation_id = "listCreditNotes")]
    async fn list(
        &self,
        key: Key,
        app: Data<&App>,
        /** `inv_…` */
        id: Path<String>,
    ) -> Result<Json<List<CreditNote>>, Problem> {
        let account = key.with(Scope::Billing)?.account.id;
        let unknown = || Problem::not_found("invoice");
        let id: InvoiceId = id.parse().map_err(|_| unknown())?;
        invoice::find(&app.db, account, id).await?.ok_or_else(unknown)?;
        let notes = note::list(&app.db, account, id).await?;
        Ok(Json(List::whole(notes.into_iter().map(CreditNote::of).collect())))
    }

    /// Download a credit note
    ///
    /// As PDF, as it was mailed. Needs the scope `billing`.
    #[oai(path = "/credit-notes/:id/pdf", method = "get", operation_id = "getCreditNotePdf")]
    async fn pdf(
        &self,
        key: Key,
        app: Data<&App>,
        /** `cn_…` */
        id: Path<String>,
    ) -> Result<Pdf, Problem> {
        let account = key.with(Scope::Billing)?.account.id;
        let unknown = || Problem::not_found("credit note with a document yet");
        let id: CreditNoteId = id.parse().map_err(|_| unknown())?;
        let (number, pdf) = note::pdf(&app.db, account, id).await?.ok_or_else(unknown)?;
        // The number holds what we put there: letters, digits and dashes.
        Ok(Pdf::Document(Binary(pdf), format!("attachment; filename=\"{number}.pdf\"")))
    }
}

impl CreditNote {
    fn of(row: rows::Model) -> Self {
        Self {
            id: row.id.to_string(),
            object: CreditNoteObject::CreditNote,
            number: row.number,
            invoice: row.invoice_id.to_string(),
            reason: row.reason,
            amount: money::minor(row.amount_minor, &row.currency),
            tax: money::minor(row.tax_minor, &row.currency),
            currency: row.currency,
            settlement: row.settlement.as_str().to_owned(),
            issued_at: row.created_at,
        }
    }
}
