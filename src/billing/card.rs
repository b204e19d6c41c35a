//! The cards of a customer: asked of the provider, which keeps them. Looked at once a period, so that the one for invoices does not
//! expire before the next unnoticed.

use chrono::{Months, NaiveDate, TimeDelta};
use entity::ids::AccountId;
use entity::{Time, account, period};
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};
use serde::{Deserialize, Serialize};

use super::provider::{Card, Provider, ProviderError, card, checkout, customer, portal};
use super::{letters, top_up};
use crate::platform::mail;
use crate::platform::queue::{Failure, Job, Outcome};

/// Charges of the next invoice may be tried again for so long.
const TRIES: TimeDelta = TimeDelta::days(10);

/// Looks whether the card outlives the period.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckCard {
    pub account: AccountId,
}

impl Job for CheckCard {
    const KIND: &'static str = "billing.check_card";
}

/// Runs [`CheckCard`].
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn check(db: &DatabaseConnection, stripe: &Provider, public_url: &str, job: CheckCard, wall_now: Time) -> Outcome {
    let Some(account) = account::Entity::find_by_id(job.account).one(db).await? else { return Ok(()) };
    let Some(customer) = account.stripe_customer_id.as_deref() else { return Ok(()) };
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let (Some(period), Some(card)) = (open, card::default(stripe, customer).await?) else { return Ok(()) };
    if !expires_by(&card, period.ends_at + TRIES) {
        return Ok(());
    }
    if let Some(owner) = top_up::owner_in(db, account.id).await? {
        let month = format!("{}-{:02}", card.expires.0, card.expires.1);
        let letter = letters::card_expiring(&account, &card.to_string(), &month, public_url);
        mail::post_in(db, Some(account.id), &owner.email, letter, wall_now).await?;
    }
    Ok(())
}

/// A saved card, and whether invoices are charged to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub card: Card,
    pub default: bool,
}

/// The saved cards of an account, the newest first.
///
/// # Errors
/// When the provider refuses or does not answer.
pub async fn saved(stripe: &Provider, account: &account::Model) -> Result<Vec<Saved>, ProviderError> {
    let Some(customer) = account.stripe_customer_id.as_deref() else { return Ok(Vec::new()) };
    let default = card::default(stripe, customer).await?;
    let cards = card::all(stripe, customer).await?;
    Ok(cards.into_iter().map(|card| Saved { default: default.as_ref().is_some_and(|default| default.id == card.id), card }).collect())
}

/// The address of a page that saves a card. It leads back to `back`, with `?card=done` or `?card=left`.
///
/// # Errors
/// When the provider or the database refuses or does not answer.
pub async fn add(
    db: &DatabaseConnection,
    stripe: &Provider,
    account: &account::Model,
    (email, back): (&str, &str),
    wall_now: Time,
) -> Result<String, ProviderError> {
    let customer = customer::ensure(db, stripe, account, email, wall_now).await?;
    let links = (format!("{back}?card=done"), format!("{back}?card=left"));
    let ours = account.id.to_string();
    let page = checkout::create_setup(stripe, (&customer, &ours, &account.currency), (&links.0, &links.1)).await?;
    page.url.ok_or_else(|| ProviderError::Decode("a checkout page without an address".into()))
}

/// The address of the provider's own portal for an account.
///
/// # Errors
/// When the provider or the database refuses or does not answer.
pub async fn visit_portal(
    db: &DatabaseConnection,
    stripe: &Provider,
    account: &account::Model,
    (email, back): (&str, &str),
    wall_now: Time,
) -> Result<String, ProviderError> {
    let customer = customer::ensure(db, stripe, account, email, wall_now).await?;
    portal::visit(stripe, &customer, back).await
}

/// Has invoices charged to a card of the account. False when it has no such card.
///
/// # Errors
/// When the provider refuses or does not answer.
pub async fn make_default(stripe: &Provider, account: &account::Model, id: &str) -> Result<bool, ProviderError> {
    let Some(customer) = owned(stripe, account, id).await? else { return Ok(false) };
    card::make_default(stripe, customer, id).await.map(|()| true)
}

/// Forgets a card of the account; invoices are then charged to the newest that is left. False when it has no such card.
///
/// # Errors
/// When the provider refuses or does not answer.
pub async fn remove(stripe: &Provider, account: &account::Model, id: &str) -> Result<bool, ProviderError> {
    let Some(customer) = owned(stripe, account, id).await? else { return Ok(false) };
    card::remove(stripe, id).await?;
    keep_one(stripe, customer).await.map(|()| true)
}

/// The customer of an account, when the card is one of its.
async fn owned<'a>(stripe: &Provider, account: &'a account::Model, id: &str) -> Result<Option<&'a str>, ProviderError> {
    let Some(customer) = account.stripe_customer_id.as_deref() else { return Ok(None) };
    let known = card::all(stripe, customer).await?.iter().any(|card| card.id == id);
    Ok(known.then_some(customer))
}

/// Without a card for invoices, the newest saved one is it.
async fn keep_one(stripe: &Provider, customer: &str) -> Result<(), ProviderError> {
    if card::default(stripe, customer).await?.is_some() {
        return Ok(());
    }
    match card::all(stripe, customer).await?.first() {
        Some(newest) => card::make_default(stripe, customer, &newest.id).await,
        None => Ok(()),
    }
}

/// What a page that saves a card came to: once the customer went through it, invoices are charged to the card.
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn sync_page(db: &DatabaseConnection, stripe: &Provider, page: &str, wall_now: Time) -> Outcome {
    let page = checkout::find(stripe, page).await?;
    let ours = page.account.as_deref().and_then(|account| account.parse::<AccountId>().ok());
    let (Some(id), Some(customer), Some(method), Some(setup)) = (ours, page.customer, page.payment_method, page.setup) else {
        return Ok(());
    };
    let account = account::Entity::find_by_id(id).one(db).await?;
    if page.complete && account.is_some_and(|account| account.stripe_customer_id.as_ref() == Some(&customer)) {
        card::make_default_once(db, stripe, (&customer, &method), &setup, wall_now).await?;
    }
    Ok(())
}

/// The cards of a customer changed somewhere: there, here, or at the bank.
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn sync_customer(db: &DatabaseConnection, stripe: &Provider, customer: &str) -> Outcome {
    let ours = account::Entity::find().filter(account::Column::StripeCustomerId.eq(customer)).one(db).await?;
    if ours.is_some() {
        keep_one(stripe, customer).await.map_err(Failure::from)?;
    }
    Ok(())
}

/// A card is good until the end of its month.
fn expires_by(card: &Card, instant: Time) -> bool {
    let (year, month) = card.expires;
    let end = NaiveDate::from_ymd_opt(year, month, 1).and_then(|first| first.checked_add_months(Months::new(1)));
    end.is_some_and(|end| end <= instant.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_good_until_the_end_of_its_month() {
        let card = |year, month| Card { id: "pm_1".into(), brand: "visa".into(), last4: "4242".into(), expires: (year, month) };
        let at = |text: &str| text.parse::<Time>().unwrap();
        assert!(!expires_by(&card(2026, 12), at("2026-12-31T23:59:59Z")));
        assert!(expires_by(&card(2026, 12), at("2027-01-01T00:00:00Z")));
        assert!(!expires_by(&card(2027, 13), at("2030-01-01T00:00:00Z")), "what is no month is no reason for a letter");
    }
}
