//! The letters of these journeys.

use chrono::TimeDelta;
use entity::account::{self, Locale};
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait as _};

use crate::platform::mail::{self, Letter, compose};

/// Letters that strangers can ask for an address within an hour. More are not sent, and nobody is told so.
const PER_HOUR: u64 = 5;

/// Posts one of these letters, unless the address got its share of the hour: a form must not be a way to flood a mailbox.
///
/// # Errors
/// When the database refuses.
pub async fn post_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    recipient: &str,
    letter: Letter,
    now: entity::Time,
) -> Result<(), DbErr> {
    if mail::count_since(txn, recipient, now - TimeDelta::hours(1)).await? < PER_HOUR {
        mail::post_in(txn, Some(account), recipient, letter, now).await?;
    }
    Ok(())
}

/// Proves an address; `link` works once. `company` may be empty: the address was known before.
pub fn verify(company: &str, link: &str) -> Letter {
    // The account has told no language yet.
    compose("verify", Locale::En, &[("company", company), ("link", link)])
}

/// To an address that signs up again; `link` leads to the log-in page.
pub fn already_member(locale: Locale, link: &str, forgot: &str) -> Letter {
    compose("already_member", locale, &[("link", link), ("forgot", forgot)])
}

/// Sets a new password; `link` works once.
pub fn reset(locale: Locale, link: &str) -> Letter {
    compose("reset", locale, &[("link", link)])
}

/// The language of an account's letters.
///
/// # Errors
/// When the database refuses.
pub async fn locale_of(db: &impl ConnectionTrait, account: AccountId) -> Result<Locale, DbErr> {
    let account = account::Entity::find_by_id(account).one(db).await?;
    Ok(account.map(|account| account.locale).unwrap_or_default())
}
