//! The letters of these journeys.

use askama::Template;

use crate::platform::mail::Letter;

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
