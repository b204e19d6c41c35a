//! Hosted payment pages for top-ups.

use std::collections::HashMap;

use entity::money::Minor;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentMethodOptions, CreateCheckoutSessionPaymentMethodOptionsCard,
    CreateCheckoutSessionPaymentMethodOptionsCardSetupFutureUsage, ProductData, RetrieveCheckoutSession,
};
use stripe_shared::{CheckoutSession, CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus};

use super::{Stripe, StripeError};

/// A payment page to be made.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub customer: &'a str,
    /// Our id of what is paid: in the metadata, and the idempotency key.
    pub top_up: &'a str,
    pub amount: Minor,
    pub currency: &'a str,
    pub description: &'a str,
    pub success_url: &'a str,
    pub cancel_url: &'a str,
}

/// A payment page as it stands.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub url: Option<String>,
    /// True once the money is there, which the return of the customer alone does not say.
    pub paid: bool,
    pub expired: bool,
    pub amount: Minor,
    pub currency: String,
    pub customer: Option<String>,
    pub payment_intent: Option<String>,
    /// Known once paid: the saved card.
    pub payment_method: Option<String>,
    /// Our id of what is paid.
    pub top_up: Option<String>,
}

/// Makes the payment page; the card used there is saved for invoices.
///
/// # Errors
/// When Stripe refuses.
pub async fn create(stripe: &Stripe, new: NewSession<'_>) -> Result<Session, StripeError> {
    let currency = super::currency(new.currency)?;
    let metadata = HashMap::from([("top_up_id".to_owned(), new.top_up.to_owned())]);
    let price = CreateCheckoutSessionLineItemsPriceData {
        unit_amount: Some(new.amount.0),
        product_data: Some(ProductData::new(new.description)),
        ..CreateCheckoutSessionLineItemsPriceData::new(currency)
    };
    let item = CreateCheckoutSessionLineItems { price_data: Some(price), quantity: Some(1), ..CreateCheckoutSessionLineItems::new() };
    // On the card alone: asked for in general, it would hide wallets that cannot save.
    let card = CreateCheckoutSessionPaymentMethodOptionsCard {
        setup_future_usage: Some(CreateCheckoutSessionPaymentMethodOptionsCardSetupFutureUsage::OffSession),
        ..CreateCheckoutSessionPaymentMethodOptionsCard::new()
    };
    let options = CreateCheckoutSessionPaymentMethodOptions { card: Some(card), ..CreateCheckoutSessionPaymentMethodOptions::new() };
    let intent =
        CreateCheckoutSessionPaymentIntentData { metadata: Some(metadata.clone()), ..CreateCheckoutSessionPaymentIntentData::new() };
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .customer(new.customer)
        .line_items(vec![item])
        .payment_intent_data(intent)
        .payment_method_options(options)
        .client_reference_id(new.top_up)
        .metadata(metadata)
        .success_url(new.success_url)
        .cancel_url(new.cancel_url);
    Ok(ours(stripe.send(request, format!("topup:{}", new.top_up)).await?))
}

/// Reads a payment page.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<Session, StripeError> {
    let request = RetrieveCheckoutSession::new(id).expand(vec!["payment_intent".to_owned()]);
    Ok(ours(stripe.read(request).await?))
}

fn ours(session: CheckoutSession) -> Session {
    let intent = session.payment_intent.as_ref();
    Session {
        id: session.id.to_string(),
        url: session.url,
        paid: matches!(session.payment_status, CheckoutSessionPaymentStatus::Paid),
        expired: matches!(session.status, Some(CheckoutSessionStatus::Expired)),
        amount: Minor(session.amount_total.unwrap_or(0)),
        currency: session.currency.map(|currency| currency.to_string()).unwrap_or_default(),
        customer: session.customer.map(|customer| customer.into_id().to_string()),
        payment_method: intent
            .and_then(|intent| intent.as_object())
            .and_then(|intent| intent.payment_method.as_ref())
            .map(|method| method.id().to_string()),
        payment_intent: intent.map(|intent| intent.id().to_string()),
        top_up: session.metadata.and_then(|mut metadata| metadata.remove("top_up_id")),
    }
}
