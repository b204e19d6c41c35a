//! The JSON API: one file per resource. Errors become JSON in `web::json::problem`.

mod account;
mod auth;
mod classify;
mod coupons;
mod credit;
mod credit_notes;
mod detect;
mod docs;
mod embed;
mod health;
mod infer;
mod invoices;
mod jobs;
mod keys;
mod limits;
mod metered;
mod models;
mod money;
mod paging;
mod plans;
mod quote;
mod spec;
mod subscription;
mod usage;
mod usage_csv;
mod usage_reconcile;

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
    /// The same without waiting for the answer.
    Jobs,
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
    classify::ClassifyApi,
    embed::EmbedApi,
    jobs::JobsApi,
    models::ModelsApi,
    quote::QuoteApi,
    usage::UsageApi,
    usage_csv::UsageCsvApi,
    usage_reconcile::UsageReconcileApi,
    keys::KeysApi,
    account::AccountApi,
    limits::LimitsApi,
    (plans::PlansApi, subscription::SubscriptionApi),
    (credit::CreditApi, coupons::CouponsApi),
    (invoices::InvoicesApi, credit_notes::CreditNotesApi),
);

fn service() -> OpenApiService<Apis, ()> {
    let apis = (
        detect::DetectApi,
        classify::ClassifyApi,
        embed::EmbedApi,
        jobs::JobsApi,
        models::ModelsApi,
        quote::QuoteApi,
        usage::UsageApi,
        usage_csv::UsageCsvApi,
        usage_reconcile::UsageReconcileApi,
        keys::KeysApi,
        account::AccountApi,
        limits::LimitsApi,
        (plans::PlansApi, subscription::SubscriptionApi),
        (credit::CreditApi, coupons::CouponsApi),
        (invoices::InvoicesApi, credit_notes::CreditNotesApi),
    );
    OpenApiService::new(apis, "Lensmeter", env!("CARGO_PKG_VERSION"))
}

/// Adds the routes of this surface.
pub fn mount(route: Route, app: &App) -> Route {
    let bounded = body::bounded(service().into_endpoint(), &[detect::ROUTE, classify::ROUTE, embed::ROUTE, jobs::ROUTE]);
    let v1 = metered::counted(problem::rendered(jobs::preferring(bounded), app.config.server.public_url.clone()));
    docs::mount(health::mount(route), app).nest_no_strip("/v1", v1)
}
