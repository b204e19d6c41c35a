//! What Stripe says about an invoice, applied to ours. Every way to learn of it (webhook, sweep, our own charge) ends here: the
//! invoice is read again from Stripe and moved only forward, so order and repetition of the news do not matter.

use entity::ids::{InvoiceId, PaymentId};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::{Time, account, invoice, invoice_document, money, payment};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _, TransactionTrait as _};
use serde::{Deserialize, Serialize};

use super::ledger::{self, Booking};
use super::stripe::invoice::{self as remote, Remote, Status};
use super::stripe::{Stripe, StripeError};
use super::{dunning, letters};
use crate::platform::mail;
use crate::platform::queue::{Failure, Job, Outcome};
use crate::webhooks::{self, Event};

/// Asks Stripe how an invoice stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncInvoice {
    pub invoice: InvoiceId,
}

impl Job for SyncInvoice {
    const KIND: &'static str = "billing.sync_invoice";
}

/// Runs [`SyncInvoice`]: reads the invoice from Stripe and applies what it says.
///
/// # Errors
/// Retried while Stripe or the database does not answer; parked when the amounts disagree.
pub async fn sync(db: &DatabaseConnection, stripe: &Stripe, public_url: &str, id: InvoiceId, wall_now: Time) -> Outcome {
    let Some(invoice) = invoice::Entity::find_by_id(id).one(db).await? else { return Err(Failure::Park(format!("invoice {id} is gone"))) };
    let Some(remote_id) = &invoice.stripe_invoice_id else { return Ok(()) };
    let copy = remote::find(stripe, remote_id).await?;
    match copy.status {
        Status::Paid => settle(db, public_url, id, &copy, wall_now).await,
        Status::Open if copy.attempts > 0 => fail(db, id, None, wall_now).await,
        // Not charged yet; or withdrawn at Stripe by an operator, who answers for it.
        Status::Draft | Status::Open | Status::Other => Ok(()),
    }
}

/// The charge that was number `attempt` was refused: applies what Stripe has now, which is a failed payment unless the customer was quicker.
///
/// # Errors
/// As [`sync`].
pub async fn refused(
    db: &DatabaseConnection,
    stripe: &Stripe,
    public_url: &str,
    id: InvoiceId,
    (attempt, error): (u32, &StripeError),
    wall_now: Time,
) -> Outcome {
    tracing::info!(billing.invoice = %id, %error, "a charge for invoice {id} was refused: {error}");
    let invoice = invoice::Entity::find_by_id(id).one(db).await?;
    let Some(remote_id) = invoice.and_then(|invoice| invoice.stripe_invoice_id) else { return Ok(()) };
    let copy = remote::find(stripe, &remote_id).await?;
    match copy.status {
        Status::Paid => settle(db, public_url, id, &copy, wall_now).await,
        _ => fail(db, id, Some(attempt), wall_now).await,
    }
}

/// Books the payment: invoice, payment row, ledger, standing and letter in one transaction.
async fn settle(db: &DatabaseConnection, public_url: &str, id: InvoiceId, copy: &Remote, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    // Lock, look again: the webhook, its duplicate, the sweep and our own charge may all bring the same news at once.
    let Some((account, invoice)) = lock_in(&txn, id).await? else { return Ok(()) };
    if invoice.payment_state == PaymentState::Paid {
        return Ok(());
    }
    if copy.amount_paid != invoice.total_minor {
        let exponent = account.exponent();
        let [paid, total] = [copy.amount_paid, invoice.total_minor].map(|amount| amount.decimal(exponent));
        return Err(Failure::Park(format!("invoice {id}: Stripe says {paid} was paid, the total is {total}")));
    }
    let now = account.now(wall_now);
    book_in(&txn, &account, &invoice, copy, now).await?;
    let change = invoice::ActiveModel {
        id: Set(id),
        payment_state: Set(PaymentState::Paid),
        paid_minor: Set(copy.amount_paid),
        paid_at: Set(Some(now)),
        ..Default::default()
    };
    let invoice = invoice::Entity::update(change).exec(&txn).await?;
    dunning::restore_in(&txn, &account, wall_now).await?;
    let Some(document) = invoice_document::Entity::find_by_id(id).one(&txn).await? else {
        return Err(Failure::Retry(format!("invoice {id} has no document yet")));
    };
    let letter = letters::invoice(&invoice, document.pdf, public_url).map_err(|error| Failure::Park(error.to_string()))?;
    mail::post_in(&txn, Some(account.id), &invoice.buyer_email, letter, wall_now).await?;
    webhooks::emit_in(&txn, account.id, Event::InvoicePaid, news(&invoice), wall_now).await?;
    Ok(txn.commit().await?)
}

/// What an event tells of an invoice.
fn news(invoice: &invoice::Model) -> serde_json::Value {
    let total = invoice.total_minor.decimal(money::exponent(&invoice.currency));
    serde_json::json!({ "id": invoice.id.to_string(), "number": invoice.number, "total": total, "currency": invoice.currency })
}

/// The account and the invoice, locked in the order that everybody keeps.
pub(super) async fn lock_in(txn: &impl ConnectionTrait, id: InvoiceId) -> Result<Option<(account::Model, invoice::Model)>, DbErr> {
    let Some(known) = invoice::Entity::find_by_id(id).one(txn).await? else { return Ok(None) };
    // The account first, as issuing does: one order of locks, no deadlock.
    let account = account::Entity::find_by_id(known.account_id).lock(LockType::NoKeyUpdate).one(txn).await?;
    let invoice = invoice::Entity::find_by_id(id).lock_exclusive().one(txn).await?;
    Ok(account.zip(invoice))
}

async fn book_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    copy: &Remote,
    now: Time,
) -> Result<(), Failure> {
    // A payment without a PaymentIntent (marked paid by hand at Stripe) is known by the invoice itself.
    let reference = copy.payment.clone().unwrap_or_else(|| copy.id.clone());
    let row = payment::ActiveModel {
        id: Set(PaymentId::new()),
        account_id: Set(account.id),
        invoice_id: Set(invoice.id),
        stripe_payment_reference: Set(reference.clone()),
        amount_minor: Set(copy.amount_paid),
        at: Set(now),
        refunded_minor: Set(entity::money::Minor(0)),
        method: Set(payment::Method::Stripe),
    };
    let conflict = OnConflict::column(payment::Column::StripePaymentReference).do_nothing().to_owned();
    payment::Entity::insert(row).on_conflict(conflict).exec_without_returning(txn).await?;
    let booking = Booking {
        kind: "payment",
        reference: &reference,
        debit: (None, Code::Cash),
        credit: (Some(account.id), Code::Receivable),
        currency: &invoice.currency,
        amount: copy.amount_paid.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?,
        at: now,
    };
    ledger::post_in(txn, booking).await?;
    Ok(())
}

/// The payment failed: the invoice is unpaid again, and dunning begins or goes on. `attempt` is which charge it was, when ours.
async fn fail(db: &DatabaseConnection, id: InvoiceId, attempt: Option<u32>, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    // Race: the news of the failure may come after that of the payment. What is settled or withdrawn stays so.
    let Some((account, invoice)) = lock_in(&txn, id).await? else { return Ok(()) };
    if invoice.due().0 == 0 {
        return Ok(());
    }
    if invoice.payment_state == PaymentState::Processing {
        let change = invoice::ActiveModel { id: Set(id), payment_state: Set(PaymentState::Unpaid), ..Default::default() };
        invoice::Entity::update(change).exec(&txn).await?;
    }
    if dunning::failed_in(&txn, &account, &invoice, attempt, wall_now).await? {
        webhooks::emit_in(&txn, account.id, Event::InvoicePaymentFailed, news(&invoice), wall_now).await?;
    }
    Ok(txn.commit().await?)
}
