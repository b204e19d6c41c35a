//! The provider's copy of a credit note, so that its invoice agrees with ours.

use entity::credit_note::{self, Settlement};
use entity::ids::CreditNoteId;
use entity::{Time, invoice};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};
use serde::{Deserialize, Serialize};

use crate::billing::provider::{NewCreditNote, Provider, Return, Status, credit_note as copies, invoice as remote};
use crate::platform::queue::{self, Failure, Job, Outcome};

/// Copies a credit note to the provider.
#[derive(Debug, Serialize, Deserialize)]
pub struct PushCreditNote {
    pub credit_note: CreditNoteId,
}

impl Job for PushCreditNote {
    const KIND: &'static str = "billing.push_credit_note";
}

pub(super) async fn enqueue_in(txn: &impl ConnectionTrait, note: &credit_note::Model, wall_now: Time) -> Result<(), DbErr> {
    queue::enqueue_in(txn, &PushCreditNote { credit_note: note.id }, Some(note.id.to_string()), wall_now).await
}

/// Runs [`PushCreditNote`].
///
/// # Errors
/// Retried while the provider or the database does not answer; parked when the provider's invoice has no room for it.
pub async fn push(db: &DatabaseConnection, stripe: &Provider, job: PushCreditNote, wall_now: Time) -> Outcome {
    let Some(note) = credit_note::Entity::find_by_id(job.credit_note).one(db).await? else { return Ok(()) };
    let Some(invoice) = invoice::Entity::find_by_id(note.invoice_id).one(db).await? else { return Ok(()) };
    // What is not there yet is copied with its notes.
    let Some(id) = &invoice.stripe_invoice_id else { return Ok(()) };
    match remote::find(stripe, id).await?.status {
        Status::Draft => Err(Failure::Retry(format!("invoice {} is not finalized at the provider", invoice.id))),
        Status::Open => copy(db, stripe, id, &note, Return::Unpaid, wall_now).await,
        Status::Paid => copy(db, stripe, id, &note, given_back(&note), wall_now).await,
        // Withdrawn: nobody pays it.
        Status::Other => Ok(()),
    }
}

/// Before the charge of an invoice that was just copied: what was taken off it meanwhile.
pub(in crate::billing::invoice) async fn push_all(
    db: &DatabaseConnection,
    stripe: &Provider,
    (invoice, id): (&invoice::Model, &str),
    wall_now: Time,
) -> Result<(), Failure> {
    let notes = credit_note::Entity::of(invoice.account_id)
        .filter(credit_note::Column::InvoiceId.eq(invoice.id))
        .filter(credit_note::Column::Settlement.eq(Settlement::None))
        .order_by_asc(credit_note::Column::Id);
    for note in notes.all(db).await? {
        copy(db, stripe, id, &note, Return::Unpaid, wall_now).await?;
    }
    Ok(())
}

/// Of a paid invoice. A note on what was unpaid comes here when the customer paid meanwhile: that has become credit.
fn given_back(note: &credit_note::Model) -> Return {
    match (&note.stripe_refund_id, note.settlement) {
        (Some(refund), Settlement::Refund) => Return::Refund(refund.clone()),
        _ => Return::Elsewhere,
    }
}

async fn copy(
    db: &DatabaseConnection,
    stripe: &Provider,
    invoice: &str,
    note: &credit_note::Model,
    by: Return,
    wall_now: Time,
) -> Result<(), Failure> {
    if note.stripe_credit_note_id.is_some() {
        return Ok(());
    }
    let new = NewCreditNote { invoice, amount: note.amount_minor, by, credit_note: (&note.id.to_string(), &note.number) };
    let id = copies::create(db, stripe, new, wall_now).await?;
    let change = credit_note::ActiveModel { id: Set(note.id), stripe_credit_note_id: Set(Some(id)), ..Default::default() };
    credit_note::Entity::update(change).exec(db).await?;
    Ok(())
}
