//! `/pay/{cs_…}`: the hosted page of a Checkout Session.

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
    not_found, notice, page, see_other, text,
};
use crate::sandbox::stripe::{self, ApiError, Paid, State, Store};

#[derive(Template)]
#[template(path = "sandbox/pay.html")]
struct Page {
    id: String,
    setup: bool,
    amount: String,
    items: Vec<(String, i64, String)>,
    saves: bool,
    email: String,
    /// Ways to pay beside a card: Stripe's word and the name.
    wallets: Vec<(String, &'static str)>,
    cancel_url: String,
    fields: CardFields,
}

/// The page.
#[handler]
pub fn show(Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    store.read(|state| match state.find("checkout.session", &id) {
        Err(_) => not_found(),
        Ok(session) if session["status"] == "open" => page(StatusCode::OK, &page_of(state, &session, None)),
        Ok(session) => over(state, &session),
    })
}

/// The payer pays.
#[handler]
pub fn submit(Path(id): Path<String>, Form(form): Form<CardForm>, Data(store): Data<&Store>) -> Response {
    store.write(|state| {
        let Ok(session) = state.find("checkout.session", &id) else { return not_found() };
        if session["status"] != "open" {
            return over(state, &session);
        }
        let card = match form.check() {
            Ok(card) => card,
            Err(wrong) => return page(StatusCode::UNPROCESSABLE_ENTITY, &page_of(state, &session, Some((&form, wrong)))),
        };
        match stripe::pay_session(state, &id, &card) {
            Ok(Paid::Done(url)) => see_other(&url),
            Ok(Paid::Challenge(intent)) => see_other(&format!("/3ds/{intent}")),
            Err(error) => again(state, &session, &form, &error),
        }
    })
}

/// The payer goes to a wallet's page instead.
#[handler]
pub fn choose_wallet(Path((id, wallet)): Path<(String, String)>, Data(store): Data<&Store>) -> Response {
    store.write(|state| match stripe::choose_wallet(state, &id, &wallet) {
        Ok(intent) => see_other(&format!("/3ds/{intent}")),
        Err(error) => notice(error.status, "That did not work", error.message(), Some(&format!("/pay/{id}"))),
    })
}

/// What people call a wallet.
pub fn wallet_name(kind: &str) -> &'static str {
    if kind == "alipay" { "Alipay" } else { "WeChat Pay" }
}

fn again(state: &State, session: &Value, form: &CardForm, error: &ApiError) -> Response {
    page(error.status, &page_of(state, session, Some((form, error.message()))))
}

fn over(state: &State, session: &Value) -> Response {
    let id = text(session, "id");
    let back = match session["status"].as_str() {
        Some("complete") => stripe::resume_session(state, id).ok(),
        _ => session["cancel_url"].as_str().map(str::to_owned),
    };
    let (title, said) = match session["status"].as_str() {
        Some("complete") => ("All done here", "This page has been used. No money moved: it was a test."),
        _ => ("This page has expired", "Go back to the shop and start again."),
    };
    notice(StatusCode::GONE, title, said, back.as_deref())
}

fn page_of(state: &State, session: &Value, wrong: Option<(&CardForm, &str)>) -> Page {
    let setup = session["mode"] == "setup";
    let amount = amount_in(session, "amount_total");
    let fields = CardFields::new(if setup { "Save this card".to_owned() } else { format!("Pay {amount}") });
    let intent = if setup { &session["setup_intent"] } else { &session["payment_intent"] };
    let intent = intent.as_str().and_then(|id| state.get(id)).unwrap_or(&Value::Null);
    let earlier = intent["last_payment_error"]["message"].as_str().or(intent["last_setup_error"]["message"].as_str());
    let fields = match (wrong, earlier) {
        (Some((form, error)), _) => fields.again(form, error),
        (None, Some(error)) => fields.again(&CardForm::default(), error),
        (None, None) => fields,
    };
    let ids = session["_line_items"].as_array().into_iter().flatten();
    let items = ids.filter_map(|id| state.get(id.as_str()?));
    let items =
        items.map(|item| (text(item, "description").to_owned(), item["quantity"].as_i64().unwrap_or(1), amount_in(item, "amount_total")));
    let kinds = session["payment_method_types"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let wallets = kinds.filter(|kind| *kind != "card").map(|kind| (kind.to_owned(), wallet_name(kind)));
    let known = session["customer_details"]["email"].as_str().or(session["customer_email"].as_str());
    Page {
        id: text(session, "id").to_owned(),
        setup,
        items: items.collect(),
        saves: setup || !session["_save_card"].is_null() || !session["_intent"]["setup_future_usage"].is_null(),
        wallets: wallets.collect(),
        email: known.unwrap_or_default().to_owned(),
        cancel_url: text(session, "cancel_url").to_owned(),
        amount,
        fields,
    }
}
