//! The account's counterpart at Stripe.

use std::collections::HashMap;

use entity::account;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _};
use stripe_core::customer::{CreateCustomer, RetrieveCustomer, RetrieveCustomerReturned, UpdateCustomer, UpdateCustomerInvoiceSettings};

use super::{Stripe, StripeError};

/// Why there is no customer.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Stripe's id of the account, created at the first need. Two callers at once get the same: the key is the account's.
///
/// # Errors
/// When Stripe or the database refuses.
pub async fn ensure(db: &impl ConnectionTrait, stripe: &Stripe, account: &account::Model, email: &str) -> Result<String, CustomerError> {
    if let Some(known) = &account.stripe_customer_id {
        return Ok(known.clone());
    }
    let request = CreateCustomer::new()
        .name(account.name.as_str())
        .email(email)
        .metadata(HashMap::from([("account_id".to_owned(), account.id.to_string())]));
    let id = stripe.send(request, format!("cus:{}", account.id)).await?.id.to_string();
    let change = account::ActiveModel { id: Set(account.id), stripe_customer_id: Set(Some(id.clone())), ..Default::default() };
    account::Entity::update(change).exec(db).await?;
    Ok(id)
}

/// Makes a saved card the one that invoices are collected from. `key` is the payment that saved it.
///
/// # Errors
/// When Stripe refuses.
pub async fn set_default_payment_method(stripe: &Stripe, customer: &str, payment_method: &str, payment: &str) -> Result<(), StripeError> {
    let settings =
        UpdateCustomerInvoiceSettings { default_payment_method: Some(payment_method.to_owned()), ..UpdateCustomerInvoiceSettings::new() };
    let request = UpdateCustomer::new(customer).invoice_settings(settings);
    stripe.send(request, format!("defpm:{payment}")).await?;
    Ok(())
}

/// A saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub brand: String,
    pub last4: String,
    /// Year and month: it is good until the end of that.
    pub expires: (i32, u32),
}

/// As people know it: `visa •••• 4242`.
impl std::fmt::Display for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} •••• {}", self.brand, self.last4)
    }
}

/// The card that invoices are collected from. `None` without one.
///
/// # Errors
/// When Stripe refuses.
pub async fn card(stripe: &Stripe, customer: &str) -> Result<Option<Card>, StripeError> {
    let request = RetrieveCustomer::new(customer).expand(vec!["invoice_settings.default_payment_method".to_owned()]);
    let RetrieveCustomerReturned::Customer(customer) = stripe.read(request).await? else { return Ok(None) };
    let method = customer.invoice_settings.and_then(|settings| settings.default_payment_method);
    let card = method.and_then(|method| method.into_object()).and_then(|method| method.card);
    Ok(card.map(|card| {
        let expires = (i32::try_from(card.exp_year).unwrap_or(i32::MAX), u32::try_from(card.exp_month).unwrap_or(0));
        Card { brand: card.brand, last4: card.last4, expires }
    }))
}

/// The saved card that invoices are collected from, by Stripe's id. `None` without one.
///
/// # Errors
/// When Stripe refuses.
pub async fn default_payment_method(stripe: &Stripe, customer: &str) -> Result<Option<String>, StripeError> {
    let RetrieveCustomerReturned::Customer(customer) = stripe.read(RetrieveCustomer::new(customer)).await? else { return Ok(None) };
    Ok(customer.invoice_settings.and_then(|settings| settings.default_payment_method).map(|method| method.id().to_string()))
}
