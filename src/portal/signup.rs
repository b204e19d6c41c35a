//! `/signup`: address, company, password. The answer is the same whether the address is known or not.

use askama::Template;
use entity::account::Mode;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::see;
use crate::accounts::sign_up::{SignUp, SignUpError, sign_up};
use crate::app::App;
use crate::web::client_ip;
use crate::web::form::{FieldErrors, Form};
use crate::web::page::{Page, Shell};

/// What the page sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    email: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    password: String,
}

#[derive(Template)]
#[template(path = "portal/signup.html")]
struct SignUpPage {
    shell: Shell,
    email: String,
    company: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "portal/signup_sent.html")]
struct Sent {
    shell: Shell,
}

/// Shows the form.
#[handler]
pub async fn get(shell: Shell) -> Response {
    Page(SignUpPage { shell, email: String::new(), company: String::new(), errors: FieldErrors::default() }).into_response()
}

/// Signs up; the rest happens in the mail.
#[handler]
pub async fn post(app: Data<&App>, shell: Shell, request: &Request, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let Fields { email, company, password } = fields;
    // Each sign-up hashes a password and mails a letter: one address of the network gets so many and then has to wait.
    if let Err(wait) = app.throttle.count(&format!("signup:{}", client_ip::of(request))) {
        let errors = FieldErrors::one("email", format!("Too many sign-ups from here. Please wait {} seconds.", wait.as_secs() + 1));
        return Ok(Page(SignUpPage { shell, email, company, errors }).with(StatusCode::TOO_MANY_REQUESTS));
    }
    // What the payment provider moves is what the account is made of.
    let mode = if app.config.stripe.is_live() { Mode::Live } else { Mode::Test };
    let form = SignUp { email, password, company, mode };
    let errors = match sign_up(&app.db, &form, &app.config.server.public_url, app.clock.now()).await {
        Ok(()) => return Ok(see("/signup/sent")),
        Err(SignUpError::Database(error)) => return Err(error.into()),
        Err(error @ SignUpError::Email) => FieldErrors::one("email", error),
        Err(error @ SignUpError::Company) => FieldErrors::one("company", error),
        Err(error @ SignUpError::Password(_)) => FieldErrors::one("password", error),
    };
    Ok(Page(SignUpPage { shell, email: form.email, company: form.company, errors }).refused())
}

/// `/signup/sent`: look into your mail.
#[handler]
pub async fn sent(shell: Shell) -> Response {
    Page(Sent { shell }).into_response()
}
