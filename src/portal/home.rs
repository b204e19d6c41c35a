//! `/`: what it is, what it costs, and the way in.

use askama::Template;
use entity::money::Nanos;
use entity::{plan_version, price};
use poem::handler;
use poem::web::Data;

use super::error::PortalError;
use super::overlay::{self, Drawing};
use super::prices::{self, PriceRow};
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

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, shell: Shell) -> Result<Page<impl Template>, PortalError> {
    let newest = plan::newest(&app.db, plan::DEFAULT_PLAN).await?;
    let prices = match &newest {
        Some(version) => plan::prices_of(&app.db, version).await?,
        None => Vec::new(),
    };
    let detect = prices.iter().find(|price| price.task.as_deref() == Some(Task::Detect.as_str()));
    let first = detect.and_then(|price| prices::first(&price.rate()));
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
        rows: prices.iter().flat_map(|price| prices::rows(&price.described(), price.meter, &price.rate(), &version.currency)).collect(),
    }
}
