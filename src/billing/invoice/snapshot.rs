//! What an invoice keeps of the world at its issue, so that the same document can be computed again at any time.

use entity::account::Locale;
use entity::money::Minor;
use entity::price::{Cached, Megapixels, Meter, Rate};
use entity::{Time, account, price};
use serde::{Deserialize, Serialize};

use super::total::{Terms, Totals};
use crate::billing::proration::Share;
use crate::billing::tax::Tax;
use crate::platform::config::Seller;

/// The `snapshot` column of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub seller: Party,
    pub buyer: Party,
    pub plan: Plan,
    /// The language of the document; English before accounts had one.
    #[serde(default)]
    pub locale: Locale,
    /// Whether the document carries its data as EN 16931 XML.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub e_invoice: bool,
    /// Where the days of the document begin, by its name in the IANA database; UTC before documents had one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    pub period_starts_at: Time,
    pub period_ends_at: Time,
    pub prices: Vec<Price>,
    /// What of the billing cycle fees were owed for.
    pub share: Share,
    /// What decided on the total beside the lines.
    pub terms: Terms,
    /// What each coupon of the terms took off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<Discount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Tax>,
    /// What of the credit that was applied was a gift: a price reduction. The rest was paid beforehand.
    pub promotional: Minor,
}

/// What a coupon took off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    pub code: String,
    pub description: String,
    pub amount: Minor,
}

/// What each coupon of the terms took off.
pub(super) fn discounts(terms: &Terms, totals: &Totals) -> Vec<Discount> {
    let discount = |(coupon, amount): (&super::total::Coupon, &Minor)| Discount {
        code: coupon.code.clone(),
        description: coupon.description.clone(),
        amount: *amount,
    };
    terms.coupons.iter().zip(&totals.discounts).map(discount).collect()
}

/// Seller or buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tax_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// With `city` and `country`, what `address` leaves out; an address told as one text has only `address`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub postal_code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub city: String,
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
}

/// The plan version that was billed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub version: i32,
}

/// A price of that version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub id: String,
    /// Left out: every task that has no price of its own. So for `model` and `megapixels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub megapixels: Option<Megapixels>,
    pub meter: Meter,
    pub description: String,
    #[serde(flatten)]
    pub rate: Rate,
    /// `free`: its events without units are repeated images.
    #[serde(default, skip_serializing_if = "is_full")]
    pub cached: Cached,
}

fn is_full(cached: &Cached) -> bool {
    *cached == Cached::Full
}

impl From<price::Model> for Price {
    fn from(price: price::Model) -> Self {
        let rate = price.rate();
        let price::Model { id, meter, task, model, megapixels, description, cached, .. } = price;
        Self { id: id.to_string(), meter, task, model, megapixels, description, rate, cached }
    }
}

impl From<&Seller> for Party {
    fn from(seller: &Seller) -> Self {
        let Seller { name, address, postal_code, city, country, tax_id, .. } = seller.clone();
        Self { name, address, tax_id, email: String::new(), postal_code, city, country }
    }
}

impl Party {
    /// The account as the buyer; `email` is where its invoices go.
    pub fn buyer(account: &account::Model, email: &str) -> Self {
        let street = [&account.address_line1, &account.address_line2].map(String::as_str);
        Self {
            name: account.name.clone(),
            address: street.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"),
            tax_id: account.tax_id.clone().unwrap_or_default(),
            email: email.into(),
            postal_code: account.postal_code.clone(),
            city: account.city.clone(),
            country: account.country.clone().unwrap_or_default(),
        }
    }
}
