//! Stripe: the only place where its words are spoken. Above it, everything reads in ours.

pub mod charge;
pub mod checkout;
mod client;
pub mod customer;
pub mod event;
pub mod invoice;
pub mod refund;

pub use client::{Stripe, StripeError};
use stripe_types::Currency;

/// The currency as Stripe's type; ours are Stripe's lower-case codes already.
fn currency(code: &str) -> Result<Currency, StripeError> {
    code.parse().map_err(|_| StripeError::Decode(format!("Stripe knows no currency {code:?}")))
}
