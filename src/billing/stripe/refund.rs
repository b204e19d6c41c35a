//! Money back to the card that it came from.

use std::collections::HashMap;

use entity::Time;
use entity::money::Minor;
use sea_orm::DatabaseConnection;
use stripe_core::refund::{CreateRefund, ListRefund, RetrieveRefund};

use super::{PAGE, Stripe, since};
use crate::billing::provider::{NewRefund, ProviderError, Refund};

/// Refunds a part of a payment. The same attempt of the same credit note refunds once.
///
/// # Errors
/// When Stripe refuses, as it does above what the payment took.
pub async fn create(db: &DatabaseConnection, stripe: &Stripe, new: NewRefund<'_>, wall_now: Time) -> Result<Refund, ProviderError> {
    let (note, number) = new.credit_note;
    // The first one's key is the note's own.
    let key = if new.attempt == 1 { format!("refund:{note}") } else { format!("refund:{note}:{}", new.attempt) };
    let attempt = new.attempt.to_string();
    let metadata = HashMap::from([
        ("credit_note_id".to_owned(), note.to_owned()),
        ("number".to_owned(), number.to_owned()),
        ("attempt".to_owned(), attempt.clone()),
    ]);
    let request = CreateRefund::new().payment_intent(new.payment).amount(new.amount.0).metadata(metadata);
    let earlier = async {
        let made = stripe.all(ListRefund::new().payment_intent(new.payment).limit(PAGE).paginate()).await?;
        let told = |refund: &stripe_shared::Refund, name: &str| refund.metadata.as_ref().and_then(|data| data.get(name).cloned());
        Ok(made
            .into_iter()
            .find(|refund| told(refund, "credit_note_id").as_deref() == Some(note) && told(refund, "attempt") == Some(attempt.clone())))
    };
    stripe.once(db, key, request, earlier, wall_now).await.map(ours)
}

/// Reads a refund.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<Refund, ProviderError> {
    stripe.read(RetrieveRefund::new(id)).await.map(ours)
}

/// Refunds of a time.
///
/// # Errors
/// When Stripe refuses.
pub async fn all_since(stripe: &Stripe, instant: Time) -> Result<Vec<Refund>, ProviderError> {
    let list = ListRefund::new().created(since(instant)).limit(PAGE);
    Ok(stripe.all(list.paginate()).await?.into_iter().map(ours).collect())
}

fn ours(refund: stripe_shared::Refund) -> Refund {
    Refund {
        id: refund.id.to_string(),
        failed: matches!(refund.status.as_deref(), Some("failed" | "canceled")),
        amount: Minor(refund.amount),
        payment: refund.payment_intent.map(|intent| intent.id().to_string()),
        credit_note: refund.metadata.and_then(|mut metadata| metadata.remove("credit_note_id")),
    }
}
