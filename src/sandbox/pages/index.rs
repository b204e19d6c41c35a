//! `/`: what this is, its recent objects, the webhooks, the faults.

use askama::Template;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Json, Path},
};
use serde_json::{Value, json};

use super::{amount_in, moment, not_found, page, see_other, text};
use crate::sandbox::{
    API_VERSION,
    stripe::{Delivery, State, Store, resend as queue_again},
};

const SHOWN: usize = 12;

struct Recent {
    href: String,
    id: String,
    what: String,
    status: String,
    /// What its outside may do to it: where that is ordered, and the button's word.
    acts: Vec<(String, &'static str)>,
}

struct Sent {
    event: String,
    kind: String,
    at: String,
    attempts: u32,
    outcome: String,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "sandbox/index.html")]
struct Page {
    version: &'static str,
    base: String,
    recent: Vec<(&'static str, Vec<Recent>)>,
    deliveries: Vec<Sent>,
    faults: Vec<(String, u32, String)>,
}

/// The page.
#[handler]
pub fn show(Data(store): Data<&Store>) -> Response {
    store.read(|state| {
        let groups = [
            ("Checkout Sessions", "checkout.session", "/pay/", "amount_total"),
            ("Invoices", "invoice", "/invoice/", "total"),
            ("Payments", "payment_intent", "", "amount"),
            ("Disputes", "dispute", "", "amount"),
            ("Refunds", "refund", "", "amount"),
            ("Customers", "customer", "", ""),
        ];
        let recent = groups.map(|(title, kind, href, amount)| (title, recent(state, kind, href, amount)));
        let faults = state.faults().iter().map(|fault| (fault.kind.clone(), fault.times, fault.matching.clone()));
        let page_shown = Page {
            version: API_VERSION,
            base: state.base_url.clone(),
            recent: recent.into(),
            deliveries: state.deliveries().rev().take(30).map(sent).collect(),
            faults: faults.collect(),
        };
        page(StatusCode::OK, &page_shown)
    })
}

fn recent(state: &State, kind: &str, href: &str, amount: &str) -> Vec<Recent> {
    let one = |object: &Value| Recent {
        // A draft has no page yet.
        href: if href.is_empty() || object["status"] == "draft" { String::new() } else { format!("{href}{}", text(object, "id")) },
        id: text(object, "id").to_owned(),
        what: match object[amount].is_i64() {
            true => amount_in(object, amount),
            false => text(object, if kind == "customer" { "email" } else { "mode" }).to_owned(),
        },
        status: text(object, "status").to_owned(),
        acts: acts(text(object, "id"), kind, text(object, "status")),
    };
    state.all(kind).take(SHOWN).map(one).collect()
}

fn acts(id: &str, kind: &str, status: &str) -> Vec<(String, &'static str)> {
    let words: &[(&str, &str, &'static str)] = match (kind, status) {
        ("dispute", "needs_response" | "under_review") => &[("disputes", "won", "Won"), ("disputes", "lost", "Lost")],
        ("refund", "succeeded") => &[("refunds", "fail", "Fail")],
        ("payment_intent", "succeeded") => return vec![(format!("/sandbox/disputes?payment_intent={id}"), "Dispute")],
        ("payment_intent", "processing") => &[("payment_intents", "succeed", "Succeed"), ("payment_intents", "fail", "Fail")],
        _ => &[],
    };
    words.iter().map(|(room, act, word)| (format!("/sandbox/{room}/{id}/{act}"), *word)).collect()
}

fn sent(delivery: &Delivery) -> Sent {
    let delivered = delivery.outcome.starts_with("HTTP 2");
    Sent {
        event: delivery.event.clone(),
        kind: delivery.kind.clone(),
        at: moment(delivery.created / 1000),
        attempts: delivery.attempts,
        outcome: delivery.outcome.clone(),
        state: if delivered {
            "delivered"
        } else if delivery.due.is_some() {
            "pending"
        } else {
            "over"
        },
    }
}

/// `GET /sandbox/deliveries`: newest first, at most 1000.
#[handler]
pub fn deliveries(Data(store): Data<&Store>) -> Json<Value> {
    store.read(|state| {
        let list: Vec<&Delivery> = state.deliveries().rev().take(1000).collect();
        let pending = state.deliveries().filter(|delivery| delivery.due.is_some()).count();
        Json(json!({"data": list, "pending": pending}))
    })
}

/// `POST /sandbox/events/{id}/resend`: the same event once more, as from Stripe's Dashboard.
#[handler]
pub fn resend(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    if store.write(|state| queue_again(state, &id)) { see_other("/") } else { not_found() }
}
