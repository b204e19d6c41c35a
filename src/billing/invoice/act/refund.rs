//! Sending money back: first what came through Stripe, then what came by transfer, which an operator sends by hand.

use entity::credit_note::{self, RefundState};
use entity::ids::CreditNoteId;
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::Minor;
use entity::payment::{self, Method};
use entity::{Time, account, invoice};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActError, Why, remote_note};
use crate::billing::ledger::{self, Booking};
use crate::billing::provider::{NewRefund, Provider, Refund, refund};
use crate::platform::audit::{self, Act};
use crate::platform::queue::{self, Failure, Job, Outcome};

/// Sends the money of a credit note back.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefundCreditNote {
    pub credit_note: CreditNoteId,
}

impl Job for RefundCreditNote {
    const KIND: &'static str = "billing.refund_credit_note";
}

/// Counts a refund on the invoice and its payments, so that no second one goes above what was paid. The caller holds the
/// invoice's lock.
pub(super) async fn reserve_in(txn: &impl ConnectionTrait, note: &credit_note::Model) -> Result<(), ActError> {
    let mut open = note.amount_minor.0;
    for row in payments_in(txn, note).await? {
        let part = open.min(row.amount_minor.0 - row.refunded_minor.0);
        if part > 0 {
            open -= part;
            let refunded = Set(Minor(row.refunded_minor.0 + part));
            payment::Entity::update(payment::ActiveModel { id: Set(row.id), refunded_minor: refunded, ..Default::default() })
                .exec(txn)
                .await?;
        }
    }
    if open > 0 {
        return Err(ActError::Conflict("no payment is large enough"));
    }
    let invoice = invoice::Entity::find_by_id(note.invoice_id).one(txn).await?.ok_or(ActError::Unknown)?;
    let refunded = Minor(invoice.refunded_minor.0 + note.amount_minor.0);
    let mut change = invoice::ActiveModel { id: Set(invoice.id), refunded_minor: Set(refunded), ..Default::default() };
    if refunded == invoice.paid_minor {
        change.payment_state = Set(PaymentState::Refunded);
    }
    invoice::Entity::update(change).exec(txn).await?;
    Ok(())
}

/// What came through Stripe before what came by transfer, the older first.
async fn payments_in(txn: &impl ConnectionTrait, note: &credit_note::Model) -> Result<Vec<payment::Model>, DbErr> {
    payment::Entity::of(note.account_id)
        .filter(payment::Column::InvoiceId.eq(note.invoice_id))
        .order_by_asc(payment::Column::Method)
        .order_by_asc(payment::Column::Id)
        .all(txn)
        .await
}

/// Runs [`RefundCreditNote`]: asks Stripe once, then books what went back.
///
/// # Errors
/// Retried while Stripe does not answer; parked when it refuses, or when the money came by transfer and an operator must send it.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, job: RefundCreditNote, wall_now: Time) -> Outcome {
    let found = credit_note::Entity::find_by_id(job.credit_note).one(db).await?;
    let Some(note) = found.filter(|note| note.refund_state == RefundState::Pending) else { return Ok(()) };
    // Through Stripe goes what its payment took; earlier refunds are on it as well, so that no two ask for the same part.
    let by_card = payments_in(db, &note).await?.into_iter().find(|row| row.method == Method::Stripe);
    let id = match by_card {
        Some(row) if row.amount_minor >= note.amount_minor => {
            let new = NewRefund {
                payment: &row.stripe_payment_reference,
                amount: note.amount_minor,
                credit_note: (&note.id.to_string(), &note.number),
                attempt: note.refund_attempt,
            };
            Some(refund::create(db, stripe, new, wall_now).await?.id)
        }
        _ => None,
    };
    done(db, &note, id, wall_now).await
}

async fn done(db: &DatabaseConnection, note: &credit_note::Model, stripe_id: Option<String>, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    // Race: a second worker whose claim on this job ran out; Stripe gave it the same refund under the same key.
    let locked = credit_note::Entity::find_by_id(note.id).lock_exclusive().one(&txn).await?;
    let account = account::Entity::find_by_id(note.account_id).one(&txn).await?;
    let Some((note, account)) = locked.filter(|note| note.refund_state == RefundState::Pending).zip(account) else { return Ok(()) };
    let booking = Booking {
        kind: "refund",
        reference: &reference(&note),
        debit: (Some(account.id), Code::Receivable),
        credit: (None, Code::Cash),
        currency: &note.currency,
        amount: note.amount_minor.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?,
        at: account.now(wall_now),
    };
    ledger::post_in(&txn, booking).await?;
    let change = credit_note::ActiveModel {
        id: Set(note.id),
        refund_state: Set(RefundState::Done),
        stripe_refund_id: Set(stripe_id),
        ..Default::default()
    };
    let note = credit_note::Entity::update(change).exec(&txn).await?;
    remote_note::enqueue_in(&txn, &note, wall_now).await?;
    Ok(txn.commit().await?)
}

/// Under which a refund is booked: the note's own for the first.
fn reference(note: &credit_note::Model) -> String {
    match note.refund_attempt {
        1 => note.id.to_string(),
        attempt => format!("{}:{attempt}", note.id),
    }
}

/// What became of a refund that the provider made: one that failed is booked back, and an operator finds it in the audit log. What
/// is no refund of ours is left to the comparison of the books.
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn sync(db: &DatabaseConnection, stripe: &Provider, id: &str, wall_now: Time) -> Outcome {
    let copy = refund::find(stripe, id).await?;
    if !copy.failed {
        return Ok(());
    }
    if let Some(note) = credit_note::Entity::find().filter(credit_note::Column::StripeRefundId.eq(id)).one(db).await? {
        return back(db, &note, &copy, wall_now).await;
    }
    // The failure may be known before we noted that there is a refund.
    let Some(note) = copy.credit_note.as_deref().and_then(|note| note.parse::<CreditNoteId>().ok()) else { return Ok(()) };
    let waiting = credit_note::Entity::find_by_id(note).one(db).await?.filter(|note| note.refund_state == RefundState::Pending);
    match waiting {
        Some(note) => Err(Failure::Retry(format!("refund {id} of {} is not noted yet", note.number))),
        None => Ok(()),
    }
}

/// Books a refund back that failed: the money is ours again, and the customer is owed it.
async fn back(db: &DatabaseConnection, note: &credit_note::Model, copy: &Refund, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    // The account first, as everybody does; then look again, as the news may come twice.
    let account = account::Entity::find_by_id(note.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let locked = credit_note::Entity::find_by_id(note.id).lock_exclusive().one(&txn).await?;
    let Some((account, note)) = account.zip(locked.filter(|note| note.refund_state == RefundState::Done)) else { return Ok(()) };
    let booking = Booking {
        kind: "refund.failed",
        reference: &copy.id,
        debit: (None, Code::Cash),
        credit: (Some(account.id), Code::Receivable),
        currency: &note.currency,
        amount: note.amount_minor.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?,
        at: account.now(wall_now),
    };
    ledger::post_in(&txn, booking).await?;
    release_in(&txn, &note).await?;
    let change = credit_note::ActiveModel { id: Set(note.id), refund_state: Set(RefundState::Failed), ..Default::default() };
    credit_note::Entity::update(change).exec(&txn).await?;
    let subject = note.id.to_string();
    let detail = json!({ "number": note.number, "refund": copy.id, "amount": note.amount_minor.decimal(account.exponent()) });
    let act = Act {
        account: Some(account.id),
        actor: audit::PROVIDER,
        action: "refund.failed",
        subject: &subject,
        reason: "the customer's bank did not take the money",
        detail,
    };
    audit::note_in(&txn, act, wall_now).await?;
    tracing::error!(billing.credit_note = %note.id, "the refund {} of credit note {} failed; the customer is still owed it", copy.id, note.number);
    Ok(txn.commit().await?)
}

/// The opposite of [`reserve_in`].
async fn release_in(txn: &impl ConnectionTrait, note: &credit_note::Model) -> Result<(), DbErr> {
    let mut open = note.amount_minor.0;
    for row in payments_in(txn, note).await? {
        let part = open.min(row.refunded_minor.0);
        if part > 0 {
            open -= part;
            let refunded = Set(Minor(row.refunded_minor.0 - part));
            payment::Entity::update(payment::ActiveModel { id: Set(row.id), refunded_minor: refunded, ..Default::default() })
                .exec(txn)
                .await?;
        }
    }
    let Some(invoice) = invoice::Entity::find_by_id(note.invoice_id).one(txn).await? else { return Ok(()) };
    let refunded = Minor((invoice.refunded_minor.0 - note.amount_minor.0).max(0));
    let mut change = invoice::ActiveModel { id: Set(invoice.id), refunded_minor: Set(refunded), ..Default::default() };
    if invoice.payment_state == PaymentState::Refunded {
        change.payment_state = Set(PaymentState::Paid);
    }
    invoice::Entity::update(change).exec(txn).await.map(|_| ())
}

/// Sends the money of a credit note again whose refund failed, after the customer told another card or bank.
///
/// # Errors
/// When its refund did not fail.
pub async fn again(db: &DatabaseConnection, id: CreditNoteId, why: Why<'_>, wall_now: Time) -> Result<credit_note::Model, ActError> {
    why.check()?;
    let known = credit_note::Entity::find_by_id(id).one(db).await?.ok_or(ActError::Unknown)?;
    let txn = db.begin().await?;
    account::Entity::find_by_id(known.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let note = credit_note::Entity::find_by_id(id).lock_exclusive().one(&txn).await?.ok_or(ActError::Unknown)?;
    if note.refund_state != RefundState::Failed {
        return Err(ActError::State { found: note.refund_state.as_str(), advice: "only a refund that failed is sent again" });
    }
    reserve_in(&txn, &note).await?;
    let change = credit_note::ActiveModel {
        id: Set(id),
        refund_state: Set(RefundState::Pending),
        stripe_refund_id: Set(None),
        refund_attempt: Set(note.refund_attempt + 1),
        ..Default::default()
    };
    let note = credit_note::Entity::update(change).exec(&txn).await?;
    let (subject, key) = (note.id.to_string(), reference(&note));
    queue::enqueue_in(&txn, &RefundCreditNote { credit_note: id }, Some(key), wall_now).await?;
    why.note_in(&txn, note.account_id, ("refund.again", &subject), json!({ "number": note.number }), wall_now).await?;
    txn.commit().await?;
    Ok(note)
}
