//! The documentation: a quick start, the API reference rendered from the OpenAPI document, and a page per error. All of
//! it is made on the server, so the strict content policy holds here too.

mod reference;

use std::sync::Arc;

use askama::Template;
use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt as _, IntoResponse as _, Response, Route, get, handler};
use serde_json::Value;

use self::reference::Reference;
use super::spec;
use crate::app::App;
use crate::web::headers::Headers;
use crate::web::json::problem::{About, Code, Problem};
use crate::web::page::{Page, Shell};

/// A text with code in backticks, in pieces: whether a piece is code, and the piece.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    text.split('`').enumerate().map(|(index, piece)| (index % 2 == 1, piece)).collect()
}

/// What does not change while the program runs.
struct Docs {
    document: Value,
    reference: Reference,
}

/// Adds `/openapi.json` and everything under `/docs`.
pub fn mount(route: Route, app: &App) -> Route {
    let document = spec::document(&app.config.server.public_url);
    let docs = Arc::new(Docs { reference: Reference::of(&document), document });
    let pages = Route::new()
        .at("/docs", get(start).data(docs.clone()))
        .at("/docs/errors", get(errors))
        .at("/docs/errors/", get(errors))
        .at("/docs/errors/:code", get(error))
        .at("/docs/*rest", get(missing))
        .with(Headers::new(app));
    route.at("/openapi.json", get(openapi).data(docs)).nest_no_strip("/docs", pages)
}

#[handler]
fn openapi(docs: Data<&Arc<Docs>>) -> Json<Value> {
    Json(docs.document.clone())
}

#[derive(Template)]
#[template(path = "docs/index.html")]
struct StartPage<'a> {
    shell: Shell,
    public_url: &'a str,
    reference: &'a Reference,
}

#[handler]
fn start(shell: Shell, app: Data<&App>, docs: Data<&Arc<Docs>>) -> Response {
    Page(StartPage { shell, public_url: &app.config.server.public_url, reference: &docs.reference }).into_response()
}

#[derive(Template)]
#[template(path = "docs/errors.html")]
struct ErrorsPage {
    shell: Shell,
    codes: Vec<About>,
}

#[handler]
fn errors(shell: Shell) -> Response {
    Page(ErrorsPage { shell, codes: Code::ALL.iter().map(|code| code.about()).collect() }).into_response()
}

#[derive(Template)]
#[template(path = "docs/error.html")]
struct ErrorPage {
    shell: Shell,
    about: About,
    example: String,
}

#[derive(Template)]
#[template(path = "docs/missing.html")]
struct MissingPage {
    shell: Shell,
}

#[handler]
fn missing(shell: Shell) -> Response {
    Page(MissingPage { shell }).with(StatusCode::NOT_FOUND)
}

#[handler]
fn error(shell: Shell, Path(code): Path<String>, app: Data<&App>) -> Response {
    let Some(code) = Code::named(&code) else { return Page(MissingPage { shell }).with(StatusCode::NOT_FOUND) };
    let about = code.about();
    let document = Problem::plain(code).document(&app.config.server.public_url, &shell.request_id);
    let example = serde_json::to_string_pretty(&document).unwrap_or_default();
    Page(ErrorPage { shell, about, example }).into_response()
}
