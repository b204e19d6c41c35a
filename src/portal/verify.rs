//! `/verify?token=…`: the mailed link. GET only shows a button, because mail scanners follow links; POST uses the link up.

use askama::Template;
use poem::web::{Data, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::{see_signed_in, see_with};
use crate::accounts::sign_up::{self, LinkError};
use crate::app::App;
use crate::auth;
use crate::web::form::Form;
use crate::web::page::{Page, Shell};
use crate::web::{client_ip, flash};

/// The link's token, in the address and in the form.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// Whom to send another link.
#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    email: String,
}

#[derive(Template)]
#[template(path = "portal/verify.html")]
struct VerifyPage {
    shell: Shell,
    token: String,
    problem: Option<String>,
}

/// Shows the button.
#[handler]
pub async fn get(shell: Shell, Query(link): Query<Link>) -> Response {
    let problem = link.token.is_empty().then(|| LinkError::Invalid.to_string());
    Page(VerifyPage { shell, token: link.token, problem }).into_response()
}

/// Confirms the address and signs in.
#[handler]
pub async fn post(request: &Request, app: Data<&App>, shell: Shell, Form(link): Form<Link>) -> Result<Response, PortalError> {
    let now = app.clock.now();
    let member = match sign_up::verify(&app.db, &link.token, now).await {
        Ok(member) => member,
        Err(LinkError::Database(error)) => return Err(error.into()),
        Err(LinkError::Start(error)) => return Err(PortalError::internal(error)),
        Err(error @ LinkError::Invalid) => {
            return Ok(Page(VerifyPage { shell, token: String::new(), problem: Some(error.to_string()) }).refused());
        }
    };
    let cookie = auth::session::open_in(&app.db, &member, &client_ip::user_agent(request), &client_ip::of(request), now).await?;
    let mut response = see_signed_in(&app, "/app", &cookie);
    flash::leave(&app, &mut response, "verified", "");
    Ok(response)
}

/// Sends another link; says the same for every address.
#[handler]
pub async fn resend(app: Data<&App>, Form(address): Form<Address>) -> Result<Response, PortalError> {
    sign_up::resend(&app.db, &address.email, &app.config.server.public_url, app.clock.now()).await?;
    Ok(see_with(&app, "/signup/sent", "link_sent"))
}
