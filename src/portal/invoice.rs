//! `/app/invoices/{id}`: one invoice with its lines, its PDF, and the export that anyone can re-add offline.

use askama::Template;
use entity::dispute::State;
use entity::ids::{CreditNoteId, InvoiceId};
use entity::{credit_note, invoice_line};
use poem::http::header;
use poem::web::{Data, Path};
use poem::{Response, handler};

use super::error::PortalError;
use super::invoices::{Status, status};
use super::show;
use super::sums::{self, Parts, Sum};
use crate::app::App;
use crate::billing::dispute;
use crate::billing::invoice::finalize::snapshot_of;
use crate::billing::invoice::{self, note};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

#[derive(Template)]
#[template(path = "portal/invoice.html")]
struct InvoicePage {
    shell: Shell,
    id: String,
    number: String,
    status: Status,
    issued: String,
    paid: String,
    period: String,
    buyer_name: String,
    buyer_email: String,
    lines: Vec<Line>,
    sums: Vec<Sum>,
    total: String,
    notes: Vec<Note>,
    pay_url: Option<String>,
    /// The bank wants the customer to confirm the charge.
    to_confirm: bool,
    dispute: Option<State>,
}

/// A credit note of the invoice.
struct Note {
    id: String,
    number: String,
    issued: String,
    reason: String,
    amount: String,
}

struct Line {
    description: String,
    quantity: String,
    exact: String,
    amount: String,
}

/// Shows the invoice; another account's is not there.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Page<impl Template>, PortalError> {
    let id: InvoiceId = id.parse().map_err(|_| PortalError::NotFound)?;
    let (invoice, lines) = invoice::find(&app.db, me.account.id, id).await?.ok_or(PortalError::NotFound)?;
    let currency = invoice.currency.as_str();
    let status = status(&invoice);
    let notes = note::list(&app.db, me.account.id, id).await?;
    let snapshot = snapshot_of(&invoice).map_err(PortalError::internal)?;
    let sums = sums::rows(&Parts {
        subtotal: invoice.subtotal_minor,
        discounts: &snapshot.discounts,
        tax: snapshot.tax.as_ref(),
        credits_applied: invoice.credits_applied_minor,
        carried_in: invoice.carried_in_minor,
        carried_out: invoice.carried_out_minor,
        currency,
    });
    let dispute = dispute::newest(&app.db, me.account.id, id).await?;
    Ok(Page(InvoicePage {
        shell: me.shell,
        to_confirm: invoice.action_needed_at.is_some() && invoice.due().0 > 0,
        dispute: dispute.map(|dispute| dispute.state),
        id: invoice.id.to_string(),
        number: invoice.number.clone().unwrap_or_default(),
        issued: invoice.issued_at.map(show::date).unwrap_or_default(),
        paid: invoice.paid_at.map(show::date).unwrap_or_default(),
        period: show::span(invoice.period_starts_at, invoice.period_ends_at),
        buyer_name: invoice.buyer_name.clone(),
        buyer_email: invoice.buyer_email.clone(),
        lines: lines.iter().map(|line| view(line, currency)).collect(),
        sums,
        notes: notes.into_iter().map(noted).collect(),
        total: show::minor(invoice.total_minor, currency),
        pay_url: invoice.stripe_hosted_url.clone().filter(|_| matches!(status.word, "open" | "partly paid")),
        status,
    }))
}

fn view(line: &invoice_line::Model, currency: &str) -> Line {
    Line {
        description: line.description.clone(),
        quantity: show::count(line.quantity),
        exact: show::nanos(line.exact_nanos, currency),
        amount: show::minor(line.amount_minor, currency),
    }
}

fn noted(row: credit_note::Model) -> Note {
    Note {
        id: row.id.to_string(),
        issued: show::date(row.created_at),
        amount: format!("−{}", show::minor(row.amount_minor, &row.currency)),
        number: row.number,
        reason: row.reason,
    }
}

/// The PDF of a credit note as it was sent.
#[handler]
pub async fn credit_note_pdf(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Response, PortalError> {
    let id: CreditNoteId = id.parse().map_err(|_| PortalError::NotFound)?;
    let (number, document) = note::pdf(&app.db, me.account.id, id).await?.ok_or(PortalError::NotFound)?;
    Ok(file("application/pdf", &format!("inline; filename=\"{number}.pdf\""), document))
}

/// The PDF as it was sent.
#[handler]
pub async fn pdf(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Response, PortalError> {
    let id: InvoiceId = id.parse().map_err(|_| PortalError::NotFound)?;
    let pdf = invoice::pdf(&app.db, me.account.id, id).await?.ok_or(PortalError::NotFound)?;
    Ok(file("application/pdf", &format!("inline; filename=\"{id}.pdf\""), pdf))
}

/// The export that `lensmeter verify-invoice` re-adds offline.
#[handler]
pub async fn export(app: Data<&App>, me: SignedInMember, Path(id): Path<String>) -> Result<Response, PortalError> {
    let id: InvoiceId = id.parse().map_err(|_| PortalError::NotFound)?;
    let export = invoice::export::export(&app.db, &app.archive, me.account.id, id).await?.ok_or(PortalError::NotFound)?;
    let json = serde_json::to_vec_pretty(&export).map_err(PortalError::internal)?;
    Ok(file("application/json", &format!("attachment; filename=\"{id}.json\""), json))
}

fn file(content_type: &str, disposition: &str, bytes: Vec<u8>) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_DISPOSITION, disposition)
        .header(header::CACHE_CONTROL, "private, no-store")
        .body(bytes)
}
