//! Stripe's own portal, where customers see their cards and invoices.

use stripe_billing::billing_portal_session::CreateBillingPortalSession;

use super::Stripe;
use crate::billing::provider::ProviderError;

/// The address of a visit, good for some minutes.
///
/// # Errors
/// When Stripe refuses.
pub async fn visit(stripe: &Stripe, customer: &str, return_url: &str) -> Result<String, ProviderError> {
    let request = CreateBillingPortalSession::new().customer(customer).return_url(return_url);
    Ok(stripe.set(request, "portal").await?.url)
}
