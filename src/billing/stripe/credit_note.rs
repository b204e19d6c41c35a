//! Stripe's side of a credit note, so that its invoice agrees with ours.

use std::collections::HashMap;

use entity::Time;
use sea_orm::DatabaseConnection;
use stripe_billing::credit_note::{
    CreateCreditNote, CreateCreditNoteEmailType, CreateCreditNoteRefunds, ListCreditNote, RetrieveCreditNote,
};
use stripe_shared::CreditNote;

use super::{PAGE, Stripe};
use crate::billing::provider::{NewCreditNote, ProviderError, Return};

/// Copies a credit note and returns Stripe's id of it. The same note is copied once.
///
/// # Errors
/// When Stripe refuses, as it does above what its invoice still holds.
pub async fn create(db: &DatabaseConnection, stripe: &Stripe, new: NewCreditNote<'_>, wall_now: Time) -> Result<String, ProviderError> {
    let (note, number) = new.credit_note;
    let metadata = HashMap::from([("credit_note_id".to_owned(), note.to_owned()), ("number".to_owned(), number.to_owned())]);
    // Ours is the document that the customer gets.
    let request = CreateCreditNote::new(new.invoice)
        .amount(new.amount.0)
        .memo(format!("Credit note {number}"))
        .email_type(CreateCreditNoteEmailType::None)
        .metadata(metadata);
    let request = match new.by {
        Return::Unpaid => request,
        Return::Elsewhere => request.out_of_band_amount(new.amount.0),
        Return::Refund(refund) => request.refunds(vec![CreateCreditNoteRefunds {
            amount_refunded: Some(new.amount.0),
            refund: Some(refund),
            ..CreateCreditNoteRefunds::new()
        }]),
    };
    let earlier = async {
        let made = stripe.all(ListCreditNote::new().invoice(new.invoice).limit(PAGE).paginate()).await?;
        Ok(made.into_iter().find(|copy| of(copy) == Some(note)))
    };
    Ok(stripe.once(db, format!("cn:{note}"), request, earlier, wall_now).await?.id.to_string())
}

/// Reads a credit note: the invoice that it is of, by Stripe's id, and ours of it when it is one.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<(String, Option<String>), ProviderError> {
    let note: CreditNote = stripe.read(RetrieveCreditNote::new(id)).await?;
    // Every invoice has an id; the type says so of previews alone.
    let invoice = note.invoice.id().as_ref().map(ToString::to_string).unwrap_or_default();
    Ok((invoice, of(&note).map(str::to_owned)))
}

fn of(note: &CreditNote) -> Option<&str> {
    note.metadata.as_ref()?.get("credit_note_id").map(String::as_str)
}
