//! The customers' portal: pages rendered here, one file each with its form, its template and its handlers.
//! Every form is POST → 303 → GET and works without scripts.

mod alerts;
mod billing;
mod cards;
mod chart;
mod coupon;
mod credit;
mod details;
mod error;
mod forgot;
mod home;
mod invoice;
mod invoices;
mod jobs;
mod keys;
mod login;
mod logout;
mod overlay;
mod overview;
mod plan;
mod playground;
mod prices;
mod reset;
mod settings;
mod show;
mod signup;
mod sums;
mod theme;
mod usage;
mod verify;
mod webhooks;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use poem::middleware::AddData;
use poem::web::Redirect;
use poem::{Endpoint, EndpointExt as _, IntoResponse, Response, Route, get, handler, post};

use self::error::PortalError;
use crate::app::App;
use crate::web::page::{Shell, app_of};
use crate::web::{assets, csrf::OwnSite, flash, headers::Headers, session};

/// Every page, its assets, and the 404 page for all else: to be nested last, at `/`.
pub fn routes(app: &App) -> impl Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/", get(home::get))
        .at("/signup", get(signup::get).post(signup::post))
        .at("/signup/sent", get(signup::sent))
        .at("/verify", get(verify::get).post(verify::post))
        .at("/verify/resend", post(verify::resend))
        .at("/login", get(login::get).post(login::post))
        .at("/logout", post(logout::post))
        .at("/forgot", get(forgot::get).post(forgot::post))
        .at("/forgot/sent", get(forgot::sent))
        .at("/reset", get(reset::get).post(reset::post))
        .at("/theme", post(theme::post))
        .at("/app", get(overview::get))
        .at("/app/playground", get(playground::get).post(playground::post))
        .at("/app/keys", get(keys::get).post(keys::create))
        .at("/app/keys/:id", get(keys::one::get).post(keys::one::save))
        .at("/app/keys/:id/rotate", post(keys::one::rotate))
        .at("/app/keys/:id/revoke", post(keys::revoke))
        .at("/app/usage", get(usage::get))
        .at("/app/usage.csv", get(usage::csv))
        .at("/app/jobs", get(jobs::get))
        .at("/app/jobs/:id/result", get(jobs::result))
        .at("/app/jobs/:id/cancel", post(jobs::cancel))
        .at("/app/billing", get(billing::get))
        .at("/app/billing/plan", get(plan::get).post(plan::post))
        .at("/app/billing/details", get(details::get).post(details::post))
        .at("/app/billing/alerts", get(alerts::get).post(alerts::post))
        .at("/app/billing/cards", get(cards::get).post(cards::add))
        .at("/app/billing/cards/:id/default", post(cards::make_default))
        .at("/app/billing/cards/:id/remove", post(cards::remove))
        .at("/app/billing/portal", post(cards::portal))
        .at("/app/billing/top-up", get(to_billing).post(billing::start))
        .at("/app/billing/coupon", get(to_billing).post(coupon::post))
        .at("/app/billing/credit", get(credit::get).post(credit::post))
        .at("/app/invoices", get(invoices::get))
        .at("/app/invoices/:id", get(invoice::get))
        .at("/app/invoices/:id/pdf", get(invoice::pdf))
        .at("/app/invoices/:id/export", get(invoice::export))
        .at("/app/credit-notes/:id/pdf", get(invoice::credit_note_pdf))
        .at("/app/webhooks", get(webhooks::get).post(webhooks::add))
        .at("/app/webhooks/:id/test", post(webhooks::test))
        .at("/app/webhooks/:id/remove", post(webhooks::remove))
        .at("/app/settings", get(settings::get))
        .at("/a/*path", get(assets::serve).head(assets::serve))
        .at("/favicon.ico", get(favicon))
        .with(OwnSite(app.clone()))
        .around(|inner, request| async move {
            let shell = Shell::of(&request);
            let app = app_of(&request).clone();
            // A page that panics answers like any other that fails; the panic hook has logged where it was.
            let outcome = AssertUnwindSafe(inner.call(request)).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(PortalError::internal("a page panicked").into()));
            let mut response = outcome.unwrap_or_else(|error| error::page(shell.clone(), error));
            // A message is for one page: the one that was just rendered, not the redirect that leads to it.
            if shell.flash.is_some() && response.content_type().is_some_and(|kind| kind.starts_with("text/html")) {
                flash::clear(&app, &mut response);
            }
            Ok(response)
        })
        .with(Headers::new(app))
        .with(AddData::new(app.clone()))
}

#[handler]
fn favicon() -> Redirect {
    Redirect::temporary(assets::asset("logo.svg"))
}

/// A refused top-up or coupon is shown at the form's own address; reloading that leads back to the page.
#[handler]
fn to_billing() -> Redirect {
    Redirect::see_other("/app/billing")
}

/// POST → 303 → GET.
fn see(target: &str) -> Response {
    Redirect::see_other(target).into_response()
}

/// POST → 303 → GET, with a message for the page that follows.
fn see_with(app: &App, target: &str, code: &str) -> Response {
    let mut response = see(target);
    flash::leave(app, &mut response, code, "");
    response
}

/// POST → 303 → GET as someone who is signed in from now on.
fn see_signed_in(app: &App, target: &str, cookie: &str) -> Response {
    let mut response = see(target);
    session::remember(app, &mut response, cookie);
    response
}
