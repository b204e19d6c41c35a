//! Money back to the card that it came from.

use std::collections::HashMap;

use entity::money::Minor;
use stripe_core::refund::CreateRefund;

use super::{Stripe, StripeError};

/// Refunds a part of a payment and returns Stripe's id of that. The same `key` refunds once.
///
/// # Errors
/// When Stripe refuses, as it does above what the payment took.
pub async fn create(
    stripe: &Stripe,
    payment_intent: &str,
    amount: Minor,
    metadata: HashMap<String, String>,
    key: &str,
) -> Result<String, StripeError> {
    let request = CreateRefund::new().payment_intent(payment_intent).amount(amount.0).metadata(metadata);
    Ok(stripe.send(request, format!("refund:{key}")).await?.id.to_string())
}
