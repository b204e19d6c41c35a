//! A plan as its file says it, checked; and what of it is compared.

use entity::ids::{PlanVersionId, PriceId};
use entity::money::{Minor, Nanos};
use entity::plan_version::Billing;
use entity::price::{Cached, Megapixels, Meter, Rate};
use entity::{plan_version, price};
use serde::Serialize;

use crate::platform::secret;

/// A plan as its file says it, checked. What is as ever is left out of its digest, so that plans from before it could be said
/// keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanFile {
    pub code: String,
    pub name: String,
    pub description: String,
    pub currency: String,
    /// Per month.
    pub base_fee: Minor,
    pub signup_credit: Nanos,
    pub requests_per_minute: i32,
    /// Calls that are served in a row when accounts wait for one device.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: i32,
    #[serde(skip_serializing_if = "is_anniversary")]
    pub billing: Billing,
    #[serde(skip_serializing_if = "is_zero")]
    pub trial_days: i32,
    #[serde(skip_serializing_if = "is_true")]
    pub listed: bool,
    /// Sorted by what they apply to, so that their order in the file is no change.
    pub prices: Vec<PriceFile>,
}

/// A price of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceFile {
    pub meter: Meter,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megapixels: Option<Megapixels>,
    pub description: String,
    #[serde(flatten)]
    pub rate: Rate,
    #[serde(skip_serializing_if = "is_full")]
    pub cached: Cached,
}

fn is_one(weight: &i32) -> bool {
    *weight == 1
}

fn is_anniversary(billing: &Billing) -> bool {
    *billing == Billing::Anniversary
}

fn is_zero(days: &i32) -> bool {
    *days == 0
}

fn is_true(listed: &bool) -> bool {
    *listed
}

fn is_full(cached: &Cached) -> bool {
    *cached == Cached::Full
}

impl PlanFile {
    /// SHA-256 of the checked content: comments, spacing and order do not count.
    pub fn digest(&self) -> Vec<u8> {
        secret::sha256(serde_json::to_vec(self).expect("plain texts and integers always serialise"))
    }

    /// What the file of a stored version would say.
    pub(super) fn stored(code: &str, version: &plan_version::Model, prices: Vec<price::Model>) -> Self {
        let mut prices: Vec<PriceFile> = prices.into_iter().map(PriceFile::stored).collect();
        prices.sort_by(|a, b| a.place().cmp(&b.place()));
        Self {
            code: code.into(),
            name: version.name.clone(),
            description: version.description.clone(),
            currency: version.currency.clone(),
            base_fee: version.base_fee_minor,
            signup_credit: version.signup_credit_nanos,
            requests_per_minute: version.requests_per_minute,
            weight: version.weight,
            billing: version.billing,
            trial_days: version.trial_days,
            listed: version.listed,
            prices,
        }
    }
}

impl PriceFile {
    fn stored(row: price::Model) -> Self {
        let rate = row.rate();
        let price::Model { meter, task, model, megapixels, description, cached, .. } = row;
        Self { meter, task, model, megapixels, description, rate, cached }
    }

    /// As a row of a version.
    pub fn row(self, version: PlanVersionId) -> price::Model {
        let Self { meter, task, model, megapixels, description, rate, cached } = self;
        price::Model {
            id: PriceId::new(),
            plan_version_id: version,
            meter,
            task,
            model,
            megapixels,
            description,
            scheme: rate.scheme,
            tiers: rate.tiers,
            per: rate.per,
            included: rate.included,
            minimum_nanos: rate.minimum,
            maximum_nanos: rate.maximum,
            cached,
        }
    }

    /// What it applies to. No two prices of a plan share it.
    pub fn place(&self) -> (Option<&str>, Option<&str>, Option<Megapixels>) {
        (self.task.as_deref(), self.model.as_deref(), self.megapixels)
    }

    /// The place in words: `detect, model elements, up to 1 megapixels`.
    pub fn place_in_words(&self) -> String {
        let mut words = vec![self.task.clone().unwrap_or_else(|| "any task".into())];
        words.extend(self.model.as_ref().map(|model| format!("model {model}")));
        words.extend(self.megapixels.map(size_in_words));
        words.join(", ")
    }
}

/// `up to 0.25 megapixels`, `above 8 megapixels`.
pub fn size_in_words(size: Megapixels) -> String {
    match size {
        Megapixels::Above => "above 8 megapixels".into(),
        size => format!("up to {} megapixels", size.as_str()),
    }
}
