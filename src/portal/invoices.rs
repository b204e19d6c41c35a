//! `/app/invoices`: the issued invoices, newest first.

use askama::Template;
use entity::invoice::{DocumentState, Model, PaymentState};
use poem::handler;
use poem::web::Data;

use super::error::PortalError;
use super::show;
use crate::app::App;
use crate::billing::invoice;
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;

#[derive(Template)]
#[template(path = "portal/invoices.html")]
struct InvoicesPage {
    shell: Shell,
    invoices: Vec<Row>,
}

struct Row {
    id: String,
    number: String,
    issued: String,
    period: String,
    total: String,
    status: Status,
}

/// How an invoice stands, in a word and a colour.
pub struct Status {
    pub word: &'static str,
    pub kind: &'static str,
}

/// The word a customer needs: what the document is, or else how it is paid.
pub fn status(invoice: &Model) -> Status {
    let (word, kind) = match (invoice.document_state, invoice.payment_state) {
        (DocumentState::Draft, _) => ("draft", ""),
        (DocumentState::Void, _) => ("void", ""),
        (DocumentState::Uncollectible, _) => ("uncollectible", "bad"),
        (DocumentState::Open, PaymentState::Paid) => ("paid", "good"),
        (DocumentState::Open, PaymentState::Processing) => ("processing", "warn"),
        (DocumentState::Open, PaymentState::Partial) => ("partly paid", "warn"),
        (DocumentState::Open, PaymentState::Refunded) => ("refunded", ""),
        (DocumentState::Open, PaymentState::Unpaid) if invoice.action_needed_at.is_some() => ("to be confirmed", "warn"),
        (DocumentState::Open, PaymentState::Unpaid) => ("open", "warn"),
    };
    Status { word, kind }
}

/// Shows the list.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Page<impl Template>, PortalError> {
    let found = invoice::list(&app.db, me.account.id).await?;
    let invoices = found.iter().map(|invoice| Row {
        id: invoice.id.to_string(),
        number: invoice.number.clone().unwrap_or_default(),
        issued: invoice.issued_at.map(show::date).unwrap_or_default(),
        period: show::span(invoice.period_starts_at, invoice.period_ends_at),
        total: show::minor(invoice.total_minor, &invoice.currency),
        status: status(invoice),
    });
    Ok(Page(InvoicesPage { invoices: invoices.collect(), shell: me.shell }))
}
