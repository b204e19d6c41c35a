//! The listener of the Stripe double: its API, the hosted pages, and what the operator of the sandbox sees.

mod card_form;
mod challenge;
mod index;
mod invoice;
mod pay;
mod pdf;
mod portal;

use askama::Template;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler, http::StatusCode, post};
use serde_json::Value;

use super::stripe::{self, Store};

/// All routes.
pub fn routes(store: Store) -> impl Endpoint {
    stripe::add_controls(Route::new())
        .nest("/v1", stripe::api_routes())
        .nest("/sandbox/faults", stripe::fault_routes())
        .nest("/sandbox/clock", stripe::clock_routes())
        .nest("/sandbox/requests", stripe::request_routes())
        .at("/sandbox/deliveries", get(index::deliveries))
        .at("/sandbox/events/:id/resend", post(index::resend))
        .at("/sandbox.css", get(css))
        .at("/pay/:id/:wallet", post(pay::choose_wallet))
        .at("/pay/:id", get(pay::show).post(pay::submit))
        .at("/3ds/:id", get(challenge::show).post(challenge::submit))
        .at("/invoice/:id", get(invoice::show).post(invoice::submit))
        .at("/invoice/:id/pdf", get(invoice::pdf))
        .at("/portal/:id", get(portal::show).post(portal::add_card))
        .at("/portal/:id/default", post(portal::make_default))
        .at("/portal/:id/detach", post(portal::detach))
        .at("/", get(index::show))
        .data(store)
}

/// The one stylesheet of all sandbox pages.
#[handler]
pub fn css() -> Response {
    let text = include_str!("../../../static/sandbox.css");
    Response::builder().content_type("text/css; charset=utf-8").header("cache-control", "max-age=60").body(text)
}

/// A page under a strict policy. `form-action` is left open: after paying, the form's answer leads to the merchant's
/// site, and browsers hold that redirect against it.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    const POLICY: &str =
        "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    match template.render() {
        Ok(html) => Response::builder()
            .status(status)
            .content_type("text/html; charset=utf-8")
            .header("content-security-policy", POLICY)
            .header("referrer-policy", "no-referrer")
            .header("cache-control", "no-store")
            .body(html),
        Err(error) => Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(error.to_string()),
    }
}

/// 303: the browser goes on with GET.
pub fn see_other(to: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header("location", to).finish()
}

#[derive(Template)]
#[template(path = "sandbox/notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
    back: Option<&'a str>,
}

/// A page that only says something.
pub fn notice(status: StatusCode, title: &str, text: &str, back: Option<&str>) -> Response {
    page(status, &Notice { title, text, back })
}

/// The page for an id that is not there.
pub fn not_found() -> Response {
    notice(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "The sandbox knows no such page. It may have been started afresh since the link was made.",
        None,
    )
}

/// A member as text, empty when there is none.
pub fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// `$12.34`, `12.34 EUR`, `1234 JPY`.
pub fn money(minor: i64, currency: &str) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    let upper = currency.to_uppercase();
    if ["jpy", "krw", "vnd", "clp"].contains(&currency) {
        return format!("{sign}{minor} {upper}");
    }
    let amount = format!("{}.{:02}", minor / 100, minor % 100);
    if currency == "usd" { format!("{sign}${amount}") } else { format!("{sign}{amount} {upper}") }
}

/// The amount in a member.
pub fn amount_in(object: &Value, member: &str) -> String {
    money(object[member].as_i64().unwrap_or(0), text(object, "currency"))
}

/// `2026-11-20 21:05` UTC.
pub fn moment(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M").to_string())
}

/// `2026-11-20`, of a member in seconds.
pub fn day_in(object: &Value, member: &str) -> String {
    object[member].as_i64().map(moment).unwrap_or_default().chars().take(10).collect()
}
