//! The caught mails in the browser and as JSON.

use askama::Template;
use poem::{
    Endpoint, EndpointExt, Response, Route, get, handler,
    http::StatusCode,
    post,
    web::{Data, Json, Path},
};

use super::{
    inbox::Caught,
    message::{self, Shown},
};
use crate::sandbox::pages::{css, not_found, page, see_other};

/// All routes.
pub fn routes(caught: Caught) -> impl Endpoint {
    Route::new()
        .at("/", get(inbox))
        .at("/sandbox.css", get(css))
        .at("/clear", post(clear_by_button))
        .at("/messages", get(all).delete(clear))
        .at("/messages/:id", get(one))
        .at("/messages/:id/view", get(view))
        .at("/messages/:id/html", get(html))
        .at("/messages/:id/raw", get(raw))
        .at("/messages/:id/attachments/:n", get(attachment))
        .data(caught)
}

#[derive(Template)]
#[template(path = "sandbox/mail_list.html")]
struct List {
    mails: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "sandbox/mail_view.html")]
struct View {
    mail: Shown,
}

#[handler]
fn inbox(Data(caught): Data<&Caught>) -> Response {
    page(StatusCode::OK, &List { mails: caught.all().iter().map(Shown::of).collect() })
}

#[handler]
fn all(Data(caught): Data<&Caught>) -> Json<Vec<Shown>> {
    Json(caught.all().iter().map(Shown::of).collect())
}

#[handler]
fn clear(Data(caught): Data<&Caught>) -> StatusCode {
    caught.clear();
    StatusCode::NO_CONTENT
}

#[handler]
fn clear_by_button(Data(caught): Data<&Caught>) -> Response {
    caught.clear();
    see_other("/")
}

#[handler]
fn one(Path(id): Path<String>, Data(caught): Data<&Caught>) -> Response {
    match caught.get(&id) {
        Some(mail) => {
            let body = serde_json::to_vec(&Shown::of(&mail)).unwrap_or_default();
            Response::builder().content_type("application/json").body(body)
        }
        None => StatusCode::NOT_FOUND.into(),
    }
}

#[handler]
fn view(Path(id): Path<String>, Data(caught): Data<&Caught>) -> Response {
    match caught.get(&id) {
        Some(mail) => page(StatusCode::OK, &View { mail: Shown::of(&mail) }),
        None => not_found(),
    }
}

/// The html part alone, for the frame: no script, no request to anywhere, its own inline styles only.
#[handler]
fn html(Path(id): Path<String>, Data(caught): Data<&Caught>) -> Response {
    const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
    match caught.get(&id).and_then(|mail| Shown::of(&mail).html) {
        // Links of a mail open beside the catcher, not inside its frame.
        Some(html) => Response::builder()
            .content_type("text/html; charset=utf-8")
            .header("content-security-policy", POLICY)
            .body(format!("<base target=\"_blank\">{html}")),
        None => StatusCode::NOT_FOUND.into(),
    }
}

#[handler]
fn raw(Path(id): Path<String>, Data(caught): Data<&Caught>) -> Response {
    match caught.get(&id) {
        Some(mail) => Response::builder().content_type("text/plain; charset=utf-8").body(mail.raw()),
        None => StatusCode::NOT_FOUND.into(),
    }
}

/// The bytes under their own type. Only what a browser shows without running it is shown; the rest is downloaded.
#[handler]
fn attachment(Path((id, n)): Path<(String, usize)>, Data(caught): Data<&Caught>) -> Response {
    let Some((about, bytes)) = caught.get(&id).and_then(|mail| message::attachment(&mail, n)) else {
        return StatusCode::NOT_FOUND.into();
    };
    let shown =
        about.content_type == "application/pdf" || (about.content_type.starts_with("image/") && !about.content_type.contains("svg"));
    let name: String = about.filename.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    let disposition = format!("{}; filename=\"{name}\"", if shown { "inline" } else { "attachment" });
    let answer = Response::builder().header("content-disposition", disposition).header("x-content-type-options", "nosniff");
    let kind: String = about.content_type.chars().filter(|c| c.is_ascii_graphic()).collect();
    answer.content_type(&kind).body(bytes)
}
