//! Charging a saved card while nobody is there.

use std::collections::HashMap;

use entity::money::Minor;
use stripe_core::payment_intent::{CreatePaymentIntent, CreatePaymentIntentOffSession};
use stripe_shared::PaymentIntentStatus;

use super::{Stripe, StripeError};

/// A charge to be made.
#[derive(Debug)]
pub struct NewCharge<'a> {
    pub customer: &'a str,
    pub payment_method: &'a str,
    pub amount: Minor,
    pub currency: &'a str,
    pub description: &'a str,
    /// Our id of what is paid: in the metadata, and the idempotency key.
    pub top_up: &'a str,
}

/// A charge as it stands.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The PaymentIntent.
    pub id: String,
    pub paid: bool,
}

/// Charges a saved card. The same thing is charged once.
///
/// # Errors
/// 402 when the card is declined or wants its owner; otherwise when Stripe refuses.
pub async fn create(stripe: &Stripe, new: NewCharge<'_>) -> Result<Charge, StripeError> {
    let request = CreatePaymentIntent::new(new.amount.0, super::currency(new.currency)?)
        .customer(new.customer)
        .payment_method(new.payment_method)
        .description(new.description)
        .metadata(HashMap::from([("top_up_id".to_owned(), new.top_up.to_owned())]))
        .confirm(true)
        .off_session(CreatePaymentIntentOffSession::Bool(true));
    let intent = stripe.send(request, format!("topup:{}", new.top_up)).await?;
    Ok(Charge { id: intent.id.to_string(), paid: matches!(intent.status, PaymentIntentStatus::Succeeded) })
}
