//! `POST /logout`: ends the session on the server and in the browser.

use poem::web::Data;
use poem::{Request, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::see_with;
use crate::app::App;
use crate::auth;
use crate::web::form::Form;
use crate::web::session;

/// Nothing but the token that the form extractor checks.
#[derive(Deserialize)]
struct Fields {}

/// Signs out.
#[handler]
pub async fn post(request: &Request, app: Data<&App>, Form(Fields {}): Form<Fields>) -> Result<Response, PortalError> {
    if let Some(cookie) = session::cookie_of(&app, request) {
        auth::session::close(&app.db, cookie).await?;
    }
    let mut response = see_with(&app, "/login", "logged_out");
    session::forget(&app, &mut response);
    Ok(response)
}
