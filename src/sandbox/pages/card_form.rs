//! The card fields that the hosted pages share, and their check.

use chrono::Datelike;
use serde::Deserialize;

use crate::sandbox::{
    cards::{self, CARDS, TestCard},
    clock::real_now,
    stripe::NewCard,
};

/// What the form sends.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct CardForm {
    pub card_number: String,
    pub exp: String,
    pub cvc: String,
    pub name: String,
    pub email: String,
}

/// The fields as a template shows them: never the number or the security code again.
#[derive(Debug, Default)]
pub struct CardFields {
    pub exp: String,
    pub name: String,
    pub error: String,
    pub button: String,
}

impl CardFields {
    /// Empty fields under a button.
    pub fn new(button: impl Into<String>) -> Self {
        Self { button: button.into(), ..Self::default() }
    }

    /// What was typed, with what was wrong.
    pub fn again(mut self, form: &CardForm, error: impl Into<String>) -> Self {
        self.exp.clone_from(&form.exp);
        self.name.clone_from(&form.name);
        self.error = error.into();
        self
    }

    /// The cards that the page lists for trying out.
    pub fn cards(&self) -> &'static [TestCard] {
        CARDS
    }
}

impl CardForm {
    /// The card, or what the payer has to correct.
    pub fn check(&self) -> Result<NewCard, &'static str> {
        let number: String = self.card_number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if !cards::luhn(&number) {
            return Err("Your card number is invalid.");
        }
        let card = cards::by_number(&number)
            .ok_or("This is a test page: it takes Stripe's test cards only, and it has kept nothing of the number you typed.")?;
        let (exp_month, exp_year) = expiry(&self.exp).ok_or("Your card's expiration date is incomplete: write MM/YY.")?;
        let today = real_now();
        if (exp_year, exp_month) < (i64::from(today.year()), i64::from(today.month())) {
            return Err("Your card's expiration date is in the past.");
        }
        let cvc = self.cvc.trim();
        if !(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|b| b.is_ascii_digit()) {
            return Err("Your card's security code is incomplete.");
        }
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(NewCard { card, exp_month, exp_year, name: some(&self.name), email: some(&self.email) })
    }
}

/// `12/34`, `12 / 2034`, `1234`.
fn expiry(text: &str) -> Option<(i64, i64)> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (month, year) = match text.split_once('/') {
        Some((month, year)) => (month.trim().parse().ok()?, year.trim().parse::<i64>().ok()?),
        None if digits.len() == 4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        None => return None,
    };
    let year = if year < 100 { year + 2000 } else { year };
    (1..=12).contains(&month).then_some((month, year))
}
