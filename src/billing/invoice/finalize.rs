//! Issues the invoice of a closed period: number, books and frozen document, then its PDF, then what comes next.

use entity::ids::{AccountId, InvoiceId, PeriodId};
use entity::invoice::{DocumentState, PaymentState};
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{Time, account, invoice, invoice_document, invoice_line, period};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::collect::PushInvoice;
use super::draft::{self, Draft, DraftError};
use super::{document, snapshot::Snapshot};
use crate::billing::card::CheckCard;
use crate::billing::ledger::{self, Booking, Side};
use crate::billing::{credit, letters};
use crate::platform::config::Seller;
use crate::platform::queue::{self, Failure, Job, Outcome};
use crate::platform::{mail, secret};

/// Makes the invoice of a closed period.
#[derive(Debug, Serialize, Deserialize)]
pub struct FinalizeInvoice {
    pub account: AccountId,
    pub period: PeriodId,
}

impl Job for FinalizeInvoice {
    const KIND: &'static str = "billing.finalize_invoice";
}

/// Runs [`FinalizeInvoice`]. Each step finds what an earlier run left, so a crash between them loses nothing.
///
/// # Errors
/// Parked when the books disagree; retried when the database refuses.
pub async fn run(db: &DatabaseConnection, seller: &Seller, public_url: &str, job: FinalizeInvoice, wall_now: Time) -> Outcome {
    let invoice = issue(db, seller, &job, wall_now).await.map_err(|error| match error {
        DraftError::Database(error) => Failure::from(error),
        other => Failure::Park(other.to_string()),
    })?;
    let lines = invoice_line::Entity::of(&invoice).all(db).await?;
    if invoice_document::Entity::find_by_id(invoice.id).one(db).await?.is_some() {
        return Ok(());
    }
    let rendered = document::render(seller.template.as_deref(), &invoice, &lines).await;
    let pdf = rendered.map_err(|error| Failure::Park(error.to_string()))?;
    let txn = db.begin().await?;
    // Race: a second worker whose claim on this job ran out renders the same bytes. Who stores them does what follows.
    if store_document_in(&txn, invoice.id, &pdf).await? {
        follow_in(&txn, &invoice, &lines, pdf, public_url, wall_now).await?;
        queue::enqueue_in(&txn, &CheckCard { account: invoice.account_id }, Some(invoice.id.to_string()), wall_now).await?;
    }
    txn.commit().await?;
    Ok(())
}

/// Builds and issues the invoice of a closed period in one transaction, or finds it.
///
/// # Errors
/// See [`DraftError`]; nothing is then changed.
pub async fn issue(db: &DatabaseConnection, seller: &Seller, job: &FinalizeInvoice, wall_now: Time) -> Result<invoice::Model, DraftError> {
    let txn = db.begin().await?;
    // Lock the account, then look: two workers on one period, or two periods of one account, number one after the other.
    let account = account::Entity::find_by_id(job.account).lock(LockType::NoKeyUpdate).one(&txn).await?.ok_or(DraftError::NotClosed)?;
    let known = invoice::Entity::of(account.id)
        .filter(invoice::Column::PeriodId.eq(job.period))
        .filter(invoice::Column::DocumentState.ne(DocumentState::Void))
        .one(&txn)
        .await?;
    if let Some(invoice) = known {
        return Ok(invoice);
    }
    let period = period::Entity::of(account.id).filter(period::Column::Id.eq(job.period)).one(&txn).await?;
    let period = period.filter(|period| period.state == period::State::Closed).ok_or(DraftError::NotClosed)?;
    let now = account.now(wall_now);
    let draft = draft::build_in(&txn, &account, &period, seller, now).await?;
    credit::raise_in(&txn, account.id, draft.rebate).await?;
    let invoice = issue_in(&txn, &account, &draft, now).await?;
    txn.commit().await?;
    Ok(invoice)
}

/// Gives the draft its number, freezes it and books it. An invoice of zero is settled by that.
pub(super) async fn issue_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    draft: &Draft,
    now: Time,
) -> Result<invoice::Model, DraftError> {
    let number = number(account);
    account::Entity::update(account::ActiveModel {
        id: Set(account.id),
        next_invoice_number: Set(account.next_invoice_number + 1),
        ..Default::default()
    })
    .exec(txn)
    .await?;
    let settled = draft.invoice.total_minor.0 == 0;
    let issued = invoice::ActiveModel {
        id: Set(draft.invoice.id),
        number: Set(Some(number)),
        document_state: Set(DocumentState::Open),
        payment_state: Set(if settled { PaymentState::Paid } else { PaymentState::Unpaid }),
        issued_at: Set(Some(now)),
        paid_at: Set(settled.then_some(now)),
        ..Default::default()
    };
    let invoice = invoice::Entity::update(issued).exec(txn).await?;
    book_in(txn, account, &invoice, draft, now).await?;
    Ok(invoice)
}

/// `LM-<end of the account's id>-000001`: the random end, as ids of one day begin alike.
fn number(account: &account::Model) -> String {
    let id = account.id.to_string().to_uppercase();
    format!("LM-{}-{:06}", &id[id.len() - 6..], account.next_invoice_number)
}

/// The transfers of an issued invoice, by kind: all of it owed and earned to the nano, discounts and credit taken off, the tax
/// owed on, and the residue between the exact sums and the document's. What is carried on stays on the receivable, so that a
/// payment of the document's total leaves there what the next document takes up.
fn bookings(account: &account::Model, draft: &Draft) -> Result<Vec<(&'static str, Side, Side, Nanos)>, DraftError> {
    let invoice = &draft.invoice;
    let nanos = |minor: Minor| minor.nanos(account.exponent());
    let exact = draft.lines.iter().try_fold(Nanos(0), |sum, line| sum.checked_add(line.exact))?;
    let (discount, tax) = (nanos(invoice.discount_minor)?, nanos(invoice.tax_minor)?);
    let added = if invoice.tax_included { Nanos(0) } else { tax };
    let owed = exact.checked_sub(draft.burnt)?.checked_sub(discount)?.checked_add(added)?;
    let carried = nanos(invoice.carried_out_minor)?.checked_sub(nanos(invoice.carried_in_minor)?)?;
    let residue = nanos(invoice.total_minor)?.checked_add(carried)?.checked_sub(owed)?;
    let receivable = (Some(account.id), Code::Receivable);
    // Tax that prices hold was never earned.
    let taxed = if invoice.tax_included { (None, Code::Revenue) } else { receivable };
    Ok(vec![
        ("invoice.revenue", receivable, (None, Code::Revenue), exact),
        ("invoice.discount", (None, Code::Revenue), receivable, discount),
        ("invoice.tax", taxed, (None, Code::Tax), tax),
        ("invoice.credit", (Some(account.id), Code::Credit), receivable, draft.burnt),
        ("invoice.rounding", receivable, (None, Code::Rounding), residue),
    ])
}

async fn book_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    draft: &Draft,
    now: Time,
) -> Result<(), DraftError> {
    let reference = invoice.id.to_string();
    for (kind, debit, credit, amount) in bookings(account, draft)? {
        let booking = Booking { kind, reference: &reference, debit, credit, currency: &account.currency, amount, at: now };
        ledger::post_in(txn, booking).await?;
    }
    Ok(())
}

async fn store_document_in(txn: &impl ConnectionTrait, invoice: InvoiceId, pdf: &[u8]) -> Result<bool, DbErr> {
    use sea_orm::sea_query::OnConflict;
    let document = invoice_document::ActiveModel { invoice_id: Set(invoice), pdf: Set(pdf.to_vec()), sha256: Set(secret::sha256(pdf)) };
    let conflict = OnConflict::column(invoice_document::Column::InvoiceId).do_nothing().to_owned();
    Ok(invoice_document::Entity::insert(document).on_conflict(conflict).exec_without_returning(txn).await? == 1)
}

/// Something to pay goes to Stripe. Nothing to pay is mailed when it tells of usage, and only filed when it does not.
async fn follow_in(
    txn: &impl ConnectionTrait,
    invoice: &invoice::Model,
    lines: &[invoice_line::Model],
    pdf: Vec<u8>,
    public_url: &str,
    wall_now: Time,
) -> Result<(), Failure> {
    if invoice.total_minor.0 > 0 {
        return Ok(queue::enqueue_in(txn, &PushInvoice { invoice: invoice.id }, Some(invoice.id.to_string()), wall_now).await?);
    }
    if lines.iter().any(|line| line.quantity > 0) {
        let letter = letters::invoice(invoice, pdf, public_url).map_err(|error| Failure::Park(error.to_string()))?;
        mail::post_in(txn, Some(invoice.account_id), &invoice.buyer_email, letter, wall_now).await?;
    }
    Ok(())
}

/// The frozen part of an invoice, typed.
///
/// # Errors
/// When the column holds something else.
pub fn snapshot_of(invoice: &invoice::Model) -> Result<Snapshot, serde_json::Error> {
    serde_json::from_value(invoice.snapshot.clone())
}
