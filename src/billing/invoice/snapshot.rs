//! What an invoice keeps of the world at its issue, so that the same document can be computed again at any time.

use entity::Time;
use entity::money::Nanos;
use entity::price::{Cached, Tiers};
use serde::{Deserialize, Serialize};

use crate::platform::config::Seller;

/// The `snapshot` column of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub seller: Party,
    pub buyer: Party,
    pub plan: Plan,
    pub period_starts_at: Time,
    pub period_ends_at: Time,
    pub prices: Vec<Price>,
    /// Credit that this invoice took from the account's grants.
    pub credit_burnt: Nanos,
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
    pub task: String,
    pub meter: String,
    pub description: String,
    pub tiers: Tiers,
    /// `free`: its events without units are repeated images.
    #[serde(default, skip_serializing_if = "is_full")]
    pub cached: Cached,
}

fn is_full(cached: &Cached) -> bool {
    *cached == Cached::Full
}

impl From<&Seller> for Party {
    fn from(seller: &Seller) -> Self {
        Self { name: seller.name.clone(), address: seller.address.clone(), tax_id: seller.tax_id.clone(), email: String::new() }
    }
}
