//! `/`: what it is, what it costs, and the way in.

use askama::Template;
use entity::money::Nanos;
use entity::price::Tiers;
use entity::{plan_version, price};
use poem::handler;
use poem::web::Data;

use super::error::PortalError;
use super::overlay::{self, Drawing};
use super::show;
use crate::app::App;
use crate::billing::plan;
use crate::vision::Task;
use crate::web::assets;
use crate::web::page::{Page, Shell};

/// What `lensmeter detect static/samples/label.png` prints with the shipped weights; a test compares them.
const FOUND: &str = include_str!("../../static/samples/label.json");

#[derive(Template)]
#[template(path = "portal/home.html")]
struct Home {
    shell: Shell,
    /// Address of the sample picture, and what the shipped model finds in it.
    sample: String,
    hero: Drawing,
    public_url: String,
    /// What a new account gets, when the plan gives something.
    credit: Option<String>,
    plan: Option<PlanView>,
    example_amount: String,
    currency: String,
}

struct PlanView {
    description: String,
    base_fee: String,
    is_free: bool,
    requests_per_minute: String,
    rows: Vec<PriceRow>,
}

/// One tier of a price.
pub struct PriceRow {
    /// In the first tier only.
    pub what: String,
    pub range: String,
    pub unit: String,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, shell: Shell) -> Result<Page<impl Template>, PortalError> {
    let newest = plan::newest(&app.db, plan::DEFAULT_PLAN).await?;
    let prices = match &newest {
        Some(version) => plan::prices_of(&app.db, version).await?,
        None => Vec::new(),
    };
    let detect = prices.iter().find(|price| price.task == Task::Detect.as_str());
    let first = detect.and_then(|price| price.tiers.0.iter().map(|tier| tier.unit_nanos).find(|unit| *unit > Nanos(0)));
    Ok(Page(Home {
        shell,
        sample: assets::asset("samples/label.png"),
        hero: overlay::of_found(FOUND).map_err(PortalError::internal)?,
        public_url: app.config.server.public_url.clone(),
        credit: newest
            .as_ref()
            .filter(|version| version.signup_credit_nanos > Nanos(0))
            .map(|version| show::nanos(version.signup_credit_nanos, &version.currency)),
        example_amount: first.unwrap_or_default().decimal(2),
        currency: newest.as_ref().map_or_else(|| "usd".to_owned(), |version| version.currency.clone()),
        plan: newest.as_ref().map(|version| view(version, &prices)),
    }))
}

fn view(version: &plan_version::Model, prices: &[price::Model]) -> PlanView {
    PlanView {
        description: version.description.clone(),
        base_fee: show::minor(version.base_fee_minor, &version.currency),
        is_free: version.base_fee_minor.0 == 0,
        requests_per_minute: show::count(version.requests_per_minute.into()),
        rows: prices.iter().flat_map(|price| tier_rows(&price.described(), &price.tiers, &version.currency)).collect(),
    }
}

/// A row per tier; what it is stands in the first only.
pub fn tier_rows(description: &str, tiers: &Tiers, currency: &str) -> Vec<PriceRow> {
    let mut from = 1;
    let mut rows = Vec::new();
    for (index, tier) in tiers.0.iter().enumerate() {
        let range = match tier.up_to {
            Some(up_to) => format!("{} – {}", show::count(from), show::count(up_to)),
            None if from == 1 => "any number".to_owned(),
            None => format!("{} and more", show::count(from)),
        };
        let unit = if tier.unit_nanos == Nanos(0) { "free".to_owned() } else { show::nanos(tier.unit_nanos, currency) };
        rows.push(PriceRow { what: if index == 0 { description.to_owned() } else { String::new() }, range, unit });
        from = tier.up_to.map_or(from, |up_to| up_to + 1);
    }
    rows
}
