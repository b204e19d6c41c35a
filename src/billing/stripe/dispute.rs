//! Customers who asked their bank for the money back.

use entity::Time;
use entity::dispute::State;
use entity::money::Minor;
use stripe_core::dispute::{ListDispute, RetrieveDispute};
use stripe_shared::DisputeStatus;

use super::{PAGE, Stripe, since};
use crate::billing::provider::{Dispute, ProviderError};

/// Reads a dispute.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<Dispute, ProviderError> {
    stripe.read(RetrieveDispute::new(id)).await.map(ours)
}

/// Disputes of a time.
///
/// # Errors
/// When Stripe refuses.
pub async fn all_since(stripe: &Stripe, instant: Time) -> Result<Vec<Dispute>, ProviderError> {
    let list = ListDispute::new().created(since(instant)).limit(PAGE);
    Ok(stripe.all(list.paginate()).await?.into_iter().map(ours).collect())
}

fn ours(dispute: stripe_shared::Dispute) -> Dispute {
    Dispute {
        id: dispute.id.to_string(),
        payment: dispute.payment_intent.map(|intent| intent.id().to_string()),
        amount: Minor(dispute.amount),
        currency: dispute.currency.to_string(),
        reason: dispute.reason,
        state: match dispute.status {
            DisputeStatus::Lost => State::Lost,
            DisputeStatus::Won | DisputeStatus::WarningClosed | DisputeStatus::Prevented => State::Won,
            DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview => State::Inquiry,
            // What we do not know is taken for the one that lets nobody spend the money.
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | _ => State::Open,
        },
    }
}
