//! What the payment provider says about an invoice, applied to ours. Every way to learn of it (webhook, sweep, our own charge) ends here: the
//! invoice is read again from Stripe and moved only forward, so order and repetition of the news do not matter.

use entity::credit_grant::Kind;
use entity::ids::{InvoiceId, PaymentId};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::{self, Minor};
use entity::{Time, account, invoice, invoice_document, payment};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::credit::{self, NewGrant};
use super::ledger::{self, Booking};
use super::provider::{ChargeState, Provider, ProviderError, Remote, Status, charge, invoice as remote};
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
pub async fn sync(db: &DatabaseConnection, stripe: &Provider, public_url: &str, id: InvoiceId, wall_now: Time) -> Outcome {
    let Some(invoice) = invoice::Entity::find_by_id(id).one(db).await? else { return Err(Failure::Park(format!("invoice {id} is gone"))) };
    let Some(remote_id) = &invoice.stripe_invoice_id else { return Ok(()) };
    let copy = remote::find(stripe, remote_id).await?;
    match copy.status {
        Status::Paid => settle(db, public_url, id, &copy, wall_now).await,
        Status::Open if waits_for_the_customer(stripe, &copy).await? => action_needed(db, public_url, id, None, wall_now).await,
        Status::Open if copy.attempts > 0 => fail(db, id, None, wall_now).await,
        // Not charged yet; or withdrawn there by an operator, who answers for it.
        Status::Draft | Status::Open | Status::Other => Ok(()),
    }
}

/// The charge that was number `attempt` was refused: applies what Stripe has now, which is a failed payment unless the customer was quicker.
///
/// # Errors
/// As [`sync`].
pub async fn refused(
    db: &DatabaseConnection,
    stripe: &Provider,
    public_url: &str,
    id: InvoiceId,
    (attempt, error): (u32, &ProviderError),
    wall_now: Time,
) -> Outcome {
    tracing::info!(billing.invoice = %id, %error, "a charge for invoice {id} was refused: {error}");
    let invoice = invoice::Entity::find_by_id(id).one(db).await?;
    let Some(remote_id) = invoice.and_then(|invoice| invoice.stripe_invoice_id) else { return Ok(()) };
    let copy = remote::find(stripe, &remote_id).await?;
    match copy.status {
        Status::Paid => settle(db, public_url, id, &copy, wall_now).await,
        _ if matches!(error, ProviderError::ActionNeeded { .. }) => action_needed(db, public_url, id, Some(attempt), wall_now).await,
        _ => fail(db, id, Some(attempt), wall_now).await,
    }
}

/// The bank wants the customer to confirm the charge that is under way.
async fn waits_for_the_customer(stripe: &Provider, copy: &Remote) -> Result<bool, ProviderError> {
    match copy.payment.as_deref().filter(|payment| payment.starts_with("pi_")) {
        Some(payment) => Ok(charge::find(stripe, payment).await?.state == ChargeState::ActionNeeded),
        None => Ok(false),
    }
}

/// Books the payment: invoice, payment row, ledger, standing and letter in one transaction.
async fn settle(db: &DatabaseConnection, public_url: &str, id: InvoiceId, copy: &Remote, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    // Lock, look again: the webhook, its duplicate, the sweep and our own charge may all bring the same news at once.
    let Some((account, invoice)) = lock_in(&txn, id).await? else { return Ok(()) };
    // A payment is booked once, whatever became of it later: refunded, or lost to a dispute.
    let reference = copy.payment.as_ref().unwrap_or(&copy.id);
    let booked = payment::Entity::find().filter(payment::Column::StripePaymentReference.eq(reference)).one(&txn).await?;
    if invoice.payment_state == PaymentState::Paid || booked.is_some() {
        return Ok(());
    }
    // More than what is due comes when the customer pays while we take something off: it is theirs.
    if !(invoice.due()..=invoice.total_minor).contains(&copy.amount_paid) {
        let exponent = account.exponent();
        let [paid, due] = [copy.amount_paid, invoice.due()].map(|amount| amount.decimal(exponent));
        return Err(Failure::Park(format!("invoice {id}: the provider says {paid} was paid, {due} is due")));
    }
    let now = account.now(wall_now);
    book_in(&txn, &account, &invoice, copy, now).await?;
    give_excess_in(&txn, &account, &invoice, (copy.amount_paid, reference), now).await?;
    let change = invoice::ActiveModel {
        id: Set(id),
        payment_state: Set(PaymentState::Paid),
        paid_minor: Set(Minor((invoice.paid_minor.0 + copy.amount_paid.0).min(invoice.total_minor.0))),
        paid_at: Set(Some(now)),
        action_needed_at: Set(None),
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

/// What was paid beyond what was due becomes credit.
async fn give_excess_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    (paid, reference): (Minor, &str),
    now: Time,
) -> Result<(), Failure> {
    let excess = Minor(paid.0 - invoice.due().0);
    if excess.0 <= 0 {
        return Ok(());
    }
    let new = NewGrant {
        kind: Kind::Paid,
        reference: &format!("excess:{reference}"),
        amount: excess.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?,
        priority: None,
        expires_at: None,
        reason: invoice.number.as_deref().unwrap_or_default(),
        source: ((Some(account.id), Code::Receivable), "payment.excess"),
    };
    credit::grant_new_in(txn, account, new, now).await?;
    Ok(())
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
    // A payment without a charge (marked paid by hand over there) is known by the invoice itself.
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
    unpaid_in(&txn, &invoice, None).await?;
    if dunning::failed_in(&txn, &account, &invoice, attempt, wall_now).await? {
        webhooks::emit_in(&txn, account.id, Event::InvoicePaymentFailed, news(&invoice), wall_now).await?;
    }
    Ok(txn.commit().await?)
}

/// The charge waits for the customer: told once, and no failure. Once dunning runs for the invoice it is one more.
async fn action_needed(db: &DatabaseConnection, public_url: &str, id: InvoiceId, attempt: Option<u32>, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    let Some((account, invoice)) = lock_in(&txn, id).await? else { return Ok(()) };
    if invoice.due().0 == 0 {
        return Ok(());
    }
    if attempt.is_some() && dunning_runs_in(&txn, id).await? {
        txn.rollback().await?;
        return fail(db, id, attempt, wall_now).await;
    }
    let first = invoice.action_needed_at.is_none();
    let since = invoice.action_needed_at.unwrap_or(account.now(wall_now));
    unpaid_in(&txn, &invoice, Some(since)).await?;
    if first {
        let letter = letters::payment_action(&invoice, public_url).map_err(|error| Failure::Park(error.to_string()))?;
        mail::post_in(&txn, Some(account.id), &invoice.buyer_email, letter, wall_now).await?;
        webhooks::emit_in(&txn, account.id, Event::InvoiceActionRequired, news(&invoice), wall_now).await?;
    }
    Ok(txn.commit().await?)
}

async fn dunning_runs_in(txn: &impl ConnectionTrait, id: InvoiceId) -> Result<bool, DbErr> {
    Ok(entity::dunning::Entity::find_by_id(id).one(txn).await?.is_some())
}

/// No charge is under way any more; `action` when it waits for the customer since then.
async fn unpaid_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, action: Option<Time>) -> Result<(), DbErr> {
    let state = if invoice.payment_state == PaymentState::Processing { PaymentState::Unpaid } else { invoice.payment_state };
    if (state, action) == (invoice.payment_state, invoice.action_needed_at) {
        return Ok(());
    }
    let change =
        invoice::ActiveModel { id: Set(invoice.id), payment_state: Set(state), action_needed_at: Set(action), ..Default::default() };
    invoice::Entity::update(change).exec(txn).await.map(|_| ())
}
