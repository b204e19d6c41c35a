//! `/reset?token=…`: the mailed link that sets a new password.

use askama::Template;
use poem::web::{Data, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::see_signed_in;
use crate::accounts::recovery::{self, ResetError};
use crate::app::App;
use crate::auth;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::{client_ip, flash};

/// The link's token.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// What the page sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
}

#[derive(Template)]
#[template(path = "portal/reset.html")]
struct ResetPage {
    shell: Shell,
    token: String,
    expired: bool,
    errors: FieldErrors,
}

/// Shows the form.
#[handler]
pub async fn get(shell: Shell, Query(link): Query<Link>) -> Response {
    Page(ResetPage { shell, expired: link.token.is_empty(), token: link.token, errors: FieldErrors::default() }).into_response()
}

/// Sets the password and signs in.
#[handler]
pub async fn post(request: &Request, app: Data<&App>, shell: Shell, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let Fields { token, password } = fields;
    let now = app.clock.now();
    let member = match recovery::reset(&app.db, &token, &password, now).await {
        Ok(member) => member,
        Err(ResetError::Database(error)) => return Err(error.into()),
        Err(ResetError::Link) => return Ok(Page(ResetPage { shell, token, expired: true, errors: FieldErrors::default() }).refused()),
        Err(error @ ResetError::Password(_)) => {
            let errors = FieldErrors::one("password", error);
            return Ok(Page(ResetPage { shell, token, expired: false, errors }).refused());
        }
    };
    // A password does not confirm the address: that opens the account, and has its own link.
    if member.email_verified_at.is_none() {
        return Ok(super::see("/login"));
    }
    let cookie = auth::session::open_in(&app.db, &member, &client_ip::user_agent(request), &client_ip::of(request), now).await?;
    let mut response = see_signed_in(&app, "/app", &cookie);
    flash::leave(&app, &mut response, "password_set", "");
    Ok(response)
}
