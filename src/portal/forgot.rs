//! `/forgot`: mails a link to set a new password; says the same for every address.

use askama::Template;
use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::see;
use crate::accounts::recovery;
use crate::app::App;
use crate::web::form::Form;
use crate::web::page::{Page, Shell};

/// What the page sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    email: String,
}

#[derive(Template)]
#[template(path = "portal/forgot.html")]
struct ForgotPage {
    shell: Shell,
    sent: bool,
}

/// Shows the form.
#[handler]
pub async fn get(shell: Shell) -> Response {
    Page(ForgotPage { shell, sent: false }).into_response()
}

/// Mails the link.
#[handler]
pub async fn post(app: Data<&App>, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    recovery::request(&app.db, &fields.email, &app.config.server.public_url, app.clock.now()).await?;
    Ok(see("/forgot/sent"))
}

/// `/forgot/sent`: look into your mail.
#[handler]
pub async fn sent(shell: Shell) -> Response {
    Page(ForgotPage { shell, sent: true }).into_response()
}
