//! `/portal/{bps_…}`: the customer's cards and invoices.

use askama::Template;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    amount_in,
    card_form::{CardFields, CardForm},
    day_in, not_found, notice, page, see_other, text,
};
use crate::sandbox::stripe::{self, ApiError, State, Store};

struct Card {
    id: String,
    brand: String,
    last4: String,
    expiry: String,
    is_default: bool,
}

struct Bill {
    id: String,
    number: String,
    day: String,
    total: String,
    status: String,
}

#[derive(Template)]
#[template(path = "sandbox/portal.html")]
struct Page {
    id: String,
    customer: String,
    cards: Vec<Card>,
    bills: Vec<Bill>,
    return_url: String,
    fields: CardFields,
}

#[derive(Debug, Deserialize)]
struct Chosen {
    payment_method: String,
}

/// The page.
#[handler]
pub fn show(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    store.read(|state| match state.find("billing_portal.session", &id) {
        Ok(session) => page(StatusCode::OK, &page_of(state, &session, None)),
        Err(_) => not_found(),
    })
}

/// Saves another card.
#[handler]
pub fn add_card(Path(id): Path<String>, Form(form): Form<CardForm>, Data(store): Data<&Store>) -> Response {
    store.write(|state| {
        let Ok(session) = state.find("billing_portal.session", &id) else { return not_found() };
        let card = match form.check() {
            Ok(card) => card,
            Err(wrong) => return page(StatusCode::UNPROCESSABLE_ENTITY, &page_of(state, &session, Some((&form, wrong)))),
        };
        match stripe::portal_add_card(state, &id, &card) {
            Ok(None) => see_other(&format!("/portal/{id}")),
            Ok(Some(intent)) => see_other(&format!("/3ds/{intent}")),
            Err(error) => page(error.status, &page_of(state, &session, Some((&form, error.message())))),
        }
    })
}

/// Charges go to this card from now on.
#[handler]
pub fn make_default(Path(id): Path<String>, Form(chosen): Form<Chosen>, Data(store): Data<&Store>) -> Response {
    changed(store, &id, &chosen, stripe::make_default)
}

/// Removes a card.
#[handler]
pub fn detach(Path(id): Path<String>, Form(chosen): Form<Chosen>, Data(store): Data<&Store>) -> Response {
    changed(store, &id, &chosen, |state, _, method| stripe::detach_method(state, method).map(|_| ()))
}

fn changed(store: &Store, id: &str, chosen: &Chosen, change: fn(&mut State, &str, &str) -> Result<(), ApiError>) -> Response {
    store.write(|state| {
        state.by_hand();
        let Ok(session) = state.find("billing_portal.session", id) else { return not_found() };
        let customer = text(&session, "customer");
        let own = state.find("payment_method", &chosen.payment_method).is_ok_and(|method| method["customer"] == customer);
        if !own {
            return not_found();
        }
        match change(state, customer, &chosen.payment_method) {
            Ok(()) => see_other(&format!("/portal/{id}")),
            Err(error) => notice(error.status, "That did not work", error.message(), Some(&format!("/portal/{id}"))),
        }
    })
}

fn page_of(state: &State, session: &Value, wrong: Option<(&CardForm, &str)>) -> Page {
    let id = text(session, "customer");
    let customer = state.get(id).unwrap_or(&Value::Null);
    let default = &customer["invoice_settings"]["default_payment_method"];
    let card = |method: &Value| Card {
        id: text(method, "id").to_owned(),
        brand: text(&method["card"], "brand").to_owned(),
        last4: text(&method["card"], "last4").to_owned(),
        expiry: format!("{:02}/{}", method["card"]["exp_month"].as_i64().unwrap_or(0), method["card"]["exp_year"]),
        is_default: method["id"] == *default,
    };
    let bill = |invoice: &Value| Bill {
        id: text(invoice, "id").to_owned(),
        number: text(invoice, "number").to_owned(),
        day: day_in(&invoice["status_transitions"], "finalized_at"),
        total: amount_in(invoice, "total"),
        status: text(invoice, "status").to_owned(),
    };
    let fields = CardFields::new("Save this card");
    Page {
        id: text(session, "id").to_owned(),
        customer: customer["name"].as_str().or(customer["email"].as_str()).unwrap_or(id).to_owned(),
        cards: state.naming("payment_method", id).filter(|method| method["customer"] == id).map(card).collect(),
        bills: state.naming("invoice", id).filter(|i| i["number"].is_string()).map(bill).collect(),
        return_url: text(session, "return_url").to_owned(),
        fields: match wrong {
            Some((form, error)) => fields.again(form, error),
            None => fields,
        },
    }
}
