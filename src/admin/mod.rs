//! The operator's JSON routes, behind the configured token; closed when there is none.

mod accounts;
mod amount;
mod audit;
mod credit;
mod duration;
mod gate;
mod invoices;
mod ledger;
mod models;
mod queue;
mod stripe;

use std::sync::Arc;

use poem::web::{Data, Json};
use poem::{EndpointExt as _, IntoEndpoint as _, Route, get, handler};
use poem_openapi::{OpenApiService, Tags};
use serde_json::Value;

use crate::app::App;
use crate::web::json::{self, spec};

const DESCRIPTION: &str = "For whoever runs an installation: simulated clocks, models, parked work, the ledger. Every request carries \
    the operator's token as `Authorization: Bearer …`. Errors are problem documents (RFC 9457).";

/// The groups of the reference.
#[derive(Tags)]
enum Tag {
    /// Customer accounts and their simulated clocks.
    Accounts,
    /// What serves, and what is refused.
    Models,
    /// Background work that gave up.
    Queue,
    /// Credit, coupons and invoices of accounts, and what was done to them.
    Billing,
    /// The line to the payment provider: what came, what waits, where the books differ.
    Stripe,
    /// The books.
    Ledger,
}

type Billing = (credit::CreditApi, invoices::InvoicesApi, audit::AuditApi, stripe::StripeApi);
type Apis = (accounts::AccountsApi, models::ModelsApi, queue::QueueApi, Billing, ledger::LedgerApi);

fn service() -> OpenApiService<Apis, ()> {
    let billing = (credit::CreditApi, invoices::InvoicesApi, audit::AuditApi, stripe::StripeApi);
    let apis = (accounts::AccountsApi, models::ModelsApi, queue::QueueApi, billing, ledger::LedgerApi);
    OpenApiService::new(apis, "Lensmeter, operator", env!("CARGO_PKG_VERSION"))
}

/// The document, for an installation at `public_url`.
pub fn document(public_url: &str) -> Value {
    spec::finish(&service().spec(), public_url, DESCRIPTION, |path, method| {
        let mut statuses = vec![401, 422, 500, 503];
        if method == "post" {
            statuses.extend([400, 409, 413, 415]);
        }
        if path.contains('{') {
            statuses.push(404);
        }
        statuses
    })
}

#[handler]
fn openapi(document: Data<&Value>) -> Json<Value> {
    Json(document.clone())
}

/// Adds the routes of this surface.
pub fn mount(route: Route, app: &App) -> Route {
    let public_url = &app.config.server.public_url;
    let shared: Arc<str> = public_url.as_str().into();
    let v1 = service().into_endpoint().around(move |routes, request| {
        let public_url = shared.clone();
        async move { Ok(json::answer(&routes, request, true, &public_url).await) }
    });
    route.at("/admin/openapi.json", get(openapi).data(document(public_url))).nest_no_strip("/admin/v1", v1)
}
