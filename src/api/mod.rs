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
mod front;
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

use std::sync::Arc;

use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt as _, IntoEndpoint as _, Request, Response, Route};
use poem_openapi::{OpenApiService, Tags};

use crate::app::App;
use crate::web::json;

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
    let v1 = around(service().into_endpoint(), app.config.server.public_url.as_str().into());
    docs::mount(health::mount(route), app).nest_no_strip("/v1", v1)
}

/// Puts the routes that take an image in front of all others.
pub fn in_front<T: Endpoint>(tree: T, app: &App) -> impl Endpoint<Output = Response> + use<T> {
    front::Front { tree, images: around(front::Images, app.config.server.public_url.as_str().into()) }
}

/// What goes round every route, in one layer: each of its own would move the request and its future once more.
fn around(routes: impl Endpoint + 'static, public_url: Arc<str>) -> impl Endpoint<Output = Response> {
    routes.around(move |routes, mut request: Request| {
        let public_url = public_url.clone();
        async move {
            let gate = metered::gate(&mut request);
            let later = jobs::prefer(&mut request);
            let takes_images = metered::ROUTES.contains(&request.uri().path());
            let mut response = json::answer(&routes, request, !takes_images, &public_url).await;
            if later && response.status() == StatusCode::ACCEPTED {
                jobs::applied(&mut response);
            }
            if let Some(gate) = gate {
                gate.say(&mut response);
            }
            Ok(response)
        }
    })
}
