//! The plans that an account may choose.

use entity::{plan_version, price};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::paging::List;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::plan;
use crate::web::json::problem::Problem;

pub struct PlansApi;

/// What `object` says of a plan.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum PlanObject {
    /// A plan.
    Plan,
}

/// A plan as it is sold now.
#[derive(Debug, Object)]
#[oai(rename = "ListedPlan")]
pub struct Plan {
    /// Its code: what a change of plan names.
    pub id: String,
    /// Always `plan`.
    pub object: PlanObject,
    /// What it is called.
    pub name: String,
    /// In a sentence.
    pub description: String,
    /// Which version of it is sold now.
    pub version: i32,
    /// Currency of every amount here.
    pub currency: String,
    /// What it costs per month, as a decimal text.
    pub base_fee: String,
    /// When its periods begin: `anniversary` (of the account's first day) or `calendar` (the first of the month).
    pub billing: String,
    /// Days from an account's first subscription on without a fee.
    pub trial_days: i32,
    /// Metered requests per minute.
    pub requests_per_minute: i32,
    /// What is charged for calls.
    pub prices: Vec<PlanPrice>,
}

/// A price of a plan. Of several that fit a call, the one counts that names its model, then its task, then its size.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct PlanPrice {
    /// `detect`, `classify` or `embed`; left out: every task that has no price of its own.
    pub task: Option<String>,
    /// A model; left out: every model that has no price of its own.
    pub model: Option<String>,
    /// Images of this class of size, by its upper bound in megapixels: `0.25`, `0.5`, `1`, `2`, `4`, `8` or `8+`; left out:
    /// every size that has no price of its own.
    pub megapixels: Option<String>,
    /// What is counted: `calls`, `images`, `tokens_in`, `tokens_out` or `compute_time` (seconds).
    pub meter: String,
    /// What the price is for.
    pub description: String,
    /// The amounts in words, such as `0.0015 up to 10000, then 0.001`.
    pub price: String,
    /// What a repeated image costs: `full` or `free`.
    pub cached: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
impl PlansApi {
    /// List the plans
    ///
    /// Those that the account may choose, the cheapest fee first. Needs the scope `billing`.
    #[oai(path = "/plans", method = "get", operation_id = "listPlans")]
    async fn list(&self, key: Key, app: Data<&App>) -> Result<Json<List<Plan>>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let listed = plan::listed(&app.db, &account.currency).await?;
        Ok(Json(List::whole(listed.into_iter().map(|(code, version, prices)| Plan::of(code, version, prices)).collect())))
    }
}

impl Plan {
    fn of(code: String, version: plan_version::Model, prices: Vec<price::Model>) -> Self {
        let exponent = entity::money::exponent(&version.currency);
        Self {
            id: code,
            object: PlanObject::Plan,
            base_fee: money::minor(version.base_fee_minor, &version.currency),
            name: version.name,
            description: version.description,
            version: version.version,
            currency: version.currency,
            billing: version.billing.as_str().to_owned(),
            trial_days: version.trial_days,
            requests_per_minute: version.requests_per_minute,
            prices: prices.into_iter().map(|price| PlanPrice::of(price, exponent)).collect(),
        }
    }
}

impl PlanPrice {
    fn of(price: price::Model, exponent: u32) -> Self {
        Self {
            price: plan::rate_in_words(price.meter, &price.rate(), exponent),
            task: price.task,
            model: price.model,
            megapixels: price.megapixels.map(|size| size.as_str().to_owned()),
            meter: price.meter.as_str().to_owned(),
            description: price.description,
            cached: price.cached.as_str().to_owned(),
        }
    }
}
