//! `/invoice/{in_…}`: the hosted invoice page, with its form to pay, and the PDF.

use askama::Template;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Form, Path},
};
use serde_json::Value;

use super::{
    amount_in,
    card_form::{CardFields, CardForm},
    day_in, not_found, page, pdf as document, see_other, text,
};
use crate::sandbox::stripe::{self, State, Store};

#[derive(Template)]
#[template(path = "sandbox/invoice.html")]
struct Page {
    id: String,
    number: String,
    status: String,
    customer: String,
    email: String,
    issued: String,
    due: String,
    lines: Vec<(String, String)>,
    total: String,
    balance: Option<String>,
    amount_due: String,
    amount_paid: String,
    payable: bool,
    fields: CardFields,
}

/// The page.
#[handler]
pub fn show(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    store.read(|state| match issued(state, &id) {
        Some(invoice) => page(StatusCode::OK, &page_of(state, &invoice, None)),
        None => not_found(),
    })
}

/// The payer pays.
#[handler]
pub fn submit(Path(id): Path<String>, Form(form): Form<CardForm>, Data(store): Data<&Store>) -> Response {
    store.write(|state| {
        let Some(invoice) = issued(state, &id) else { return not_found() };
        let card = match form.check() {
            Ok(card) => card,
            Err(wrong) => return page(StatusCode::UNPROCESSABLE_ENTITY, &page_of(state, &invoice, Some((&form, wrong)))),
        };
        match stripe::pay_invoice(state, &id, &card) {
            Ok(None) => see_other(&format!("/invoice/{id}")),
            Ok(Some(intent)) => see_other(&format!("/3ds/{intent}")),
            Err(error) => page(error.status, &page_of(state, &invoice, Some((&form, error.message())))),
        }
    })
}

/// The document.
#[handler]
pub fn pdf(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    let Some(shown) = store.read(|state| issued(state, &id).map(|invoice| page_of(state, &invoice, None))) else { return not_found() };
    let mut lines = vec![
        format!("Invoice {}", shown.number),
        "Lensmeter sandbox - TEST, no money moves".to_owned(),
        format!("Issued {}   Status {}", shown.issued, shown.status),
        format!("To {} {}", shown.customer, shown.email),
        String::new(),
    ];
    lines.extend(shown.lines.iter().map(|(what, amount)| format!("{amount:>14}   {what}")));
    lines.extend([String::new(), format!("Total {}   Due {}   Paid {}", shown.total, shown.amount_due, shown.amount_paid)]);
    let name = format!("inline; filename=\"{}.pdf\"", shown.number);
    Response::builder().content_type("application/pdf").header("content-disposition", name).body(document::plain(&lines))
}

/// A draft is nobody's business yet.
fn issued(state: &State, id: &str) -> Option<Value> {
    state.find("invoice", id).ok().filter(|invoice| invoice["number"].is_string())
}

fn page_of(state: &State, invoice: &Value, wrong: Option<(&CardForm, &str)>) -> Page {
    let amount_due = amount_in(invoice, "amount_remaining");
    let fields = CardFields::new(format!("Pay {amount_due}"));
    let ids = invoice["_lines"].as_array().into_iter().flatten();
    let lines = ids.filter_map(|id| state.get(id.as_str()?));
    Page {
        id: text(invoice, "id").to_owned(),
        number: text(invoice, "number").to_owned(),
        status: text(invoice, "status").to_owned(),
        customer: text(invoice, "customer_name").to_owned(),
        email: text(invoice, "customer_email").to_owned(),
        issued: day_in(&invoice["status_transitions"], "finalized_at"),
        due: day_in(invoice, "due_date"),
        lines: lines.map(|line| (text(line, "description").to_owned(), amount_in(line, "amount"))).collect(),
        total: amount_in(invoice, "total"),
        balance: Some(amount_in(invoice, "starting_balance")).filter(|_| invoice["starting_balance"] != 0),
        amount_paid: amount_in(invoice, "amount_paid"),
        payable: invoice["status"] == "open" || invoice["status"] == "uncollectible",
        amount_due,
        fields: match wrong {
            Some((form, error)) => fields.again(form, error),
            None => fields,
        },
    }
}
