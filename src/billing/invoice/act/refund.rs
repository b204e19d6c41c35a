//! Sending money back: first what came through Stripe, then what came by transfer, which an operator sends by hand.

use std::collections::HashMap;

use entity::credit_note::{self, RefundState};
use entity::ids::CreditNoteId;
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::Minor;
use entity::payment::{self, Method};
use entity::{Time, account, invoice};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::ActError;
use crate::billing::ledger::{self, Booking};
use crate::billing::stripe::{Stripe, refund};
use crate::platform::queue::{Failure, Job, Outcome};

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
pub async fn run(db: &DatabaseConnection, stripe: &Stripe, job: RefundCreditNote, wall_now: Time) -> Outcome {
    let found = credit_note::Entity::find_by_id(job.credit_note).one(db).await?;
    let Some(note) = found.filter(|note| note.refund_state == RefundState::Pending) else { return Ok(()) };
    // Through Stripe goes what its payment took; earlier refunds are on it as well, so that no two ask for the same part.
    let by_card = payments_in(db, &note).await?.into_iter().find(|row| row.method == Method::Stripe);
    let id = match by_card {
        Some(row) if row.amount_minor >= note.amount_minor => {
            let metadata = HashMap::from([("credit_note_id".to_owned(), note.id.to_string()), ("number".to_owned(), note.number.clone())]);
            Some(refund::create(stripe, &row.stripe_payment_reference, note.amount_minor, metadata, &note.id.to_string()).await?)
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
        reference: &note.id.to_string(),
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
    credit_note::Entity::update(change).exec(&txn).await?;
    Ok(txn.commit().await?)
}
