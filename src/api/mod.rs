//! The JSON API: one file per resource. Errors become JSON in `web::json::problem`.

mod account;
mod auth;
mod detect;
mod docs;
mod health;
mod invoices;
mod keys;
mod models;
mod money;
mod paging;
mod quote;
mod spec;
mod usage;
mod usage_csv;

use poem::{IntoEndpoint as _, Route};
use poem_openapi::{OpenApiService, Tags};

use crate::app::App;
use crate::web::json::{body, problem};

pub use spec::document;

/// The groups of the API reference.
#[derive(Tags)]
enum Tag {
    /// Run models on images.
    Inference,
    /// The models that can be run.
    Models,
    /// What was used, and what a call would cost.
    Usage,
    /// API keys.
    Keys,
    /// The account, its credit and its limits.
    Account,
    /// Invoices and their documents.
    Invoices,
}

type Apis = (
    detect::DetectApi,
    models::ModelsApi,
    quote::QuoteApi,
    usage::UsageApi,
    usage_csv::UsageCsvApi,
    keys::KeysApi,
    account::AccountApi,
    invoices::InvoicesApi,
);

fn service() -> OpenApiService<Apis, ()> {
    let apis = (
        detect::DetectApi,
        models::ModelsApi,
        quote::QuoteApi,
        usage::UsageApi,
        usage_csv::UsageCsvApi,
        keys::KeysApi,
        account::AccountApi,
        invoices::InvoicesApi,
    );
    OpenApiService::new(apis, "Lensmeter", env!("CARGO_PKG_VERSION"))
}

/// Adds the routes of this surface.
pub fn mount(route: Route, app: &App) -> Route {
    let bounded = body::bounded(service().into_endpoint(), &[detect::ROUTE]);
    let v1 = problem::rendered(bounded, app.config.server.public_url.clone());
    docs::mount(health::mount(route), app).nest_no_strip("/v1", v1)
}
