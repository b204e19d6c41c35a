//! Credit notes on paper: set once, kept, and mailed to whoever got the invoice.

use entity::ids::{AccountId, CreditNoteId, InvoiceId};
use entity::{Time, credit_note, credit_note_document, invoice};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::document;
use crate::billing::letters;
use crate::platform::config::Seller;
use crate::platform::queue::{Failure, Job, Outcome};
use crate::platform::{mail, secret};

/// Sets the document of a credit note and mails it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendCreditNote {
    pub credit_note: CreditNoteId,
}

impl Job for SendCreditNote {
    const KIND: &'static str = "billing.send_credit_note";
}

/// Runs [`SendCreditNote`]. The document is mailed by whoever stores it, so once.
///
/// # Errors
/// Parked when it cannot be set; retried when the database refuses.
pub async fn send(db: &DatabaseConnection, seller: &Seller, public_url: &str, job: SendCreditNote, wall_now: Time) -> Outcome {
    let Some(note) = credit_note::Entity::find_by_id(job.credit_note).one(db).await? else {
        return Err(Failure::Park(format!("credit note {} is gone", job.credit_note)));
    };
    let Some(invoice) = invoice::Entity::find_by_id(note.invoice_id).one(db).await? else {
        return Err(Failure::Park(format!("the invoice of {} is gone", note.number)));
    };
    if credit_note_document::Entity::find_by_id(note.id).one(db).await?.is_some() {
        return Ok(());
    }
    let rendered = document::render_credit_note(seller.template.as_deref(), &note, &invoice).await;
    let pdf = rendered.map_err(|error| Failure::Park(error.to_string()))?;
    let txn = db.begin().await?;
    if store_in(&txn, note.id, &pdf).await? {
        let letter = letters::credit_note(&note, &invoice, pdf, public_url).map_err(|error| Failure::Park(error.to_string()))?;
        mail::post_in(&txn, Some(note.account_id), &invoice.buyer_email, letter, wall_now).await?;
    }
    Ok(txn.commit().await?)
}

/// False when another worker was first.
async fn store_in(txn: &impl ConnectionTrait, note: CreditNoteId, pdf: &[u8]) -> Result<bool, DbErr> {
    let row = credit_note_document::ActiveModel { credit_note_id: Set(note), pdf: Set(pdf.to_vec()), sha256: Set(secret::sha256(pdf)) };
    let conflict = OnConflict::column(credit_note_document::Column::CreditNoteId).do_nothing().to_owned();
    Ok(credit_note_document::Entity::insert(row).on_conflict(conflict).exec_without_returning(txn).await? == 1)
}

/// The credit notes of an invoice of an account, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId, invoice: InvoiceId) -> Result<Vec<credit_note::Model>, DbErr> {
    credit_note::Entity::of(account).filter(credit_note::Column::InvoiceId.eq(invoice)).order_by_asc(credit_note::Column::Id).all(db).await
}

/// The PDF of a credit note of an account with its number, as it was sent. `None` also while it is being set.
///
/// # Errors
/// When the database refuses.
pub async fn pdf(db: &impl ConnectionTrait, account: AccountId, id: CreditNoteId) -> Result<Option<(String, Vec<u8>)>, DbErr> {
    let own = credit_note::Entity::of(account).filter(credit_note::Column::Id.eq(id)).one(db).await?;
    let Some(note) = own else { return Ok(None) };
    let document = credit_note_document::Entity::find_by_id(id).one(db).await?;
    Ok(document.map(|document| (note.number, document.pdf)))
}
