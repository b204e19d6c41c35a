//! The letters of these journeys.

use askama::Template;
use chrono::TimeDelta;
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, DbErr};

use crate::platform::mail::{self, Letter};

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

macro_rules! letter {
    ($(#[$doc:meta])* $letter:ident, $name:literal, $text:literal, $html:literal, $subject:literal { $($field:ident),* }) => {
        $(#[$doc])*
        pub fn $letter($($field: &str),*) -> Letter {
            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> { $($field: &'a str),* }
            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> { $($field: &'a str),* }
            Letter {
                name: $name,
                subject: $subject.into(),
                text: Text { $($field),* }.render().expect("writing to a string does not fail"),
                html: Html { $($field),* }.render().expect("writing to a string does not fail"),
                attachments: Vec::new(),
            }
        }
    };
}

letter!(
    /// Proves an address; `link` works once.
    verify, "verify", "mail/verify.txt", "mail/verify.html", "Confirm your address" { company, link });
letter!(
    /// To an address that signs up again; `link` leads to the log-in page.
    already_member, "already_member", "mail/already_member.txt", "mail/already_member.html", "You already have an account" { link, forgot });
letter!(
    /// Sets a new password; `link` works once.
    reset, "reset", "mail/reset.txt", "mail/reset.html", "Set a new password" { link });
