//! What happens outside of the shop, on order: `POST /sandbox/…` makes the payer's bank, or a wallet, act.

use poem::{
    Request, Response, Route, handler,
    http::StatusCode,
    post,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError,
    disputes::{self, End},
    expand, refunds,
    store::{State, Store},
    wallets,
};

/// Adds the controls to a listener's routes.
pub fn on(route: Route) -> Route {
    route
        .at("/sandbox/disputes", post(dispute))
        .at("/sandbox/disputes/:id/:outcome", post(settle))
        .at("/sandbox/refunds/:id/fail", post(fail_refund))
        .at("/sandbox/payment_intents/:id/:outcome", post(finish))
        .at("/sandbox/payment_methods/:id/renew", post(renew))
}

/// `?charge=ch_…` or `?payment_intent=pi_…`, and perhaps `&reason=`.
#[derive(Debug, Deserialize)]
struct What {
    charge: Option<String>,
    payment_intent: Option<String>,
    reason: Option<String>,
}

/// The payer disputes a charge.
#[handler]
fn dispute(request: &Request, Query(what): Query<What>, Data(store): Data<&Store>) -> Response {
    act(request, store, |state| {
        let intent = what.payment_intent.as_deref().and_then(|id| state.get(id));
        let of_intent = intent.and_then(|intent| intent["latest_charge"].as_str()).map(str::to_owned);
        let charge = what.charge.clone().or(of_intent).ok_or_else(|| ApiError::invalid("Send charge or payment_intent."))?;
        disputes::open(state, &charge, what.reason.as_deref().unwrap_or("fraudulent"))
    })
}

/// `won` or `lost`.
#[handler]
fn settle(request: &Request, Path((id, outcome)): Path<(String, String)>, Data(store): Data<&Store>) -> Response {
    act(request, store, |state| match outcome.as_str() {
        "won" => disputes::settle(state, &id, End::Won),
        "lost" => disputes::settle(state, &id, End::Lost),
        _ => Err(ApiError::invalid("won or lost")),
    })
}

/// A refund that had succeeded comes back.
#[handler]
fn fail_refund(request: &Request, Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    act(request, store, |state| refunds::fail(state, &id))
}

/// `succeed` or `fail`: what a wallet says of a payment that was left open.
#[handler]
fn finish(request: &Request, Path((id, outcome)): Path<(String, String)>, Data(store): Data<&Store>) -> Response {
    act(request, store, |state| match outcome.as_str() {
        "succeed" => wallets::finish(state, &id, true),
        "fail" => wallets::finish(state, &id, false),
        _ => Err(ApiError::invalid("succeed or fail")),
    })
}

/// The bank issued a card anew: three years longer.
#[handler]
fn renew(request: &Request, Path(id): Path<String>, Data(store): Data<&Store>) -> Response {
    act(request, store, |state| {
        let before = state.find("payment_method", &id)?;
        let mut method = before.clone();
        method["card"]["exp_year"] = json!(before["card"]["exp_year"].as_i64().unwrap_or(2034) + 3);
        state.put(method.clone());
        state.emit_updated("payment_method.automatically_updated", &before, &method);
        Ok(method)
    })
}

/// Answers with the object; a browser, which pressed a button of the index page, goes back there.
fn act(request: &Request, store: &Store, what: impl FnOnce(&mut State) -> Result<Value, ApiError>) -> Response {
    let done = store.write(|state| {
        state.by_hand();
        what(state).map(|object| expand::public(state, &object))
    });
    let browser = request.header("accept").is_some_and(|kinds| kinds.contains("text/html"));
    let (status, body) = match done {
        Ok(_) if browser => return Response::builder().status(StatusCode::SEE_OTHER).header("location", "/").finish(),
        Ok(object) => (StatusCode::OK, object),
        Err(error) => (error.status, error.body),
    };
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}
