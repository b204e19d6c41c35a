//! The cards that Stripe keeps for a customer.

use entity::Time;
use sea_orm::DatabaseConnection;
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::customer::{
    ListPaymentMethodsCustomer, ListPaymentMethodsCustomerType, RetrieveCustomer, RetrieveCustomerReturned, UpdateCustomer,
    UpdateCustomerInvoiceSettings,
};
use stripe_shared::PaymentMethod;

use super::{PAGE, Stripe};
use crate::billing::provider::{Card, ProviderError};

/// Makes a saved card the one that invoices are collected from.
///
/// # Errors
/// When Stripe refuses.
pub async fn make_default(stripe: &Stripe, customer: &str, card: &str) -> Result<(), ProviderError> {
    let settings = UpdateCustomerInvoiceSettings { default_payment_method: Some(card.to_owned()), ..UpdateCustomerInvoiceSettings::new() };
    let request = UpdateCustomer::new(customer).invoice_settings(settings);
    stripe.set(request, "defpm").await?;
    Ok(())
}

/// The same for `reason`, once: a payment or a page that saved the card. News of it that come late or again do not undo what the
/// customer chose since.
///
/// # Errors
/// When Stripe refuses.
pub async fn make_default_once(
    db: &DatabaseConnection,
    stripe: &Stripe,
    (customer, card): (&str, &str),
    reason: &str,
    wall_now: Time,
) -> Result<(), ProviderError> {
    let settings = UpdateCustomerInvoiceSettings { default_payment_method: Some(card.to_owned()), ..UpdateCustomerInvoiceSettings::new() };
    let request = UpdateCustomer::new(customer).invoice_settings(settings);
    let earlier = async {
        let found = stripe.read(RetrieveCustomer::new(customer)).await?;
        let RetrieveCustomerReturned::Customer(found) = found else { return Ok(None) };
        let has_one = found.invoice_settings.as_ref().is_some_and(|settings| settings.default_payment_method.is_some());
        Ok(has_one.then_some(found))
    };
    stripe.once(db, format!("defpm:{reason}"), request, earlier, wall_now).await.map(|_| ())
}

/// The card that invoices are collected from. `None` without one.
///
/// # Errors
/// When Stripe refuses.
pub async fn default(stripe: &Stripe, customer: &str) -> Result<Option<Card>, ProviderError> {
    let request = RetrieveCustomer::new(customer).expand(vec!["invoice_settings.default_payment_method".to_owned()]);
    let RetrieveCustomerReturned::Customer(customer) = stripe.read(request).await? else { return Ok(None) };
    let method = customer.invoice_settings.and_then(|settings| settings.default_payment_method);
    Ok(method.and_then(|method| method.into_object()).and_then(ours))
}

/// All saved cards, the newest first.
///
/// # Errors
/// When Stripe refuses.
pub async fn all(stripe: &Stripe, customer: &str) -> Result<Vec<Card>, ProviderError> {
    let list = ListPaymentMethodsCustomer::new(customer).type_(ListPaymentMethodsCustomerType::Card).limit(PAGE);
    Ok(stripe.all(list.paginate()).await?.into_iter().filter_map(ours).collect())
}

/// Forgets a saved card.
///
/// # Errors
/// When Stripe refuses.
pub async fn remove(stripe: &Stripe, card: &str) -> Result<(), ProviderError> {
    let request = RequestBuilder::new(StripeMethod::Post, format!("/payment_methods/{card}/detach"));
    stripe.set_customized(request.customize::<PaymentMethod>(), "detach").await.map(|_| ())
}

/// Whose saved method it is. `None`: of nobody any more.
///
/// # Errors
/// When Stripe refuses.
pub async fn customer_of(stripe: &Stripe, method: &str) -> Result<Option<String>, ProviderError> {
    let request = RequestBuilder::new(StripeMethod::Get, format!("/payment_methods/{method}"));
    let method = request.customize::<PaymentMethod>().send(stripe).await?;
    Ok(method.customer.map(|customer| customer.id().to_string()))
}

fn ours(method: PaymentMethod) -> Option<Card> {
    let card = method.card?;
    let expires = (i32::try_from(card.exp_year).unwrap_or(i32::MAX), u32::try_from(card.exp_month).unwrap_or(0));
    Some(Card { id: method.id.to_string(), brand: card.brand, last4: card.last4, expires })
}
