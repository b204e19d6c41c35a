//! `/login`: address and password, and back to where the way led.

use askama::Template;
use poem::http::{StatusCode, header::RETRY_AFTER};
use poem::web::{Data, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

use super::error::PortalError;
use super::{see, see_signed_in};
use crate::app::App;
use crate::auth::{self, user::LogInError};
use crate::web::client_ip;
use crate::web::form::Form;
use crate::web::page::{Page, Shell};
use crate::web::session;

/// What the page sends.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// Where the way led before the login.
#[derive(Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "portal/login.html")]
struct LogInPage {
    shell: Shell,
    email: String,
    next: String,
    problem: String,
    unverified: bool,
}

/// Shows the form; who is signed in already goes on.
#[handler]
pub async fn get(request: &Request, app: Data<&App>, shell: Shell, Query(way): Query<Way>) -> Result<Response, PortalError> {
    if let Some(cookie) = session::cookie_of(&app, request)
        && auth::session::find(&app.db, cookie, app.clock.now()).await?.is_some()
    {
        return Ok(see(target(&way.next)));
    }
    Ok(Page(LogInPage { shell, email: String::new(), next: way.next, problem: String::new(), unverified: false }).into_response())
}

/// Signs in.
#[handler]
pub async fn post(request: &Request, app: Data<&App>, shell: Shell, Form(fields): Form<Fields>) -> Result<Response, PortalError> {
    let Fields { email, password, next } = fields;
    let (now, ip) = (app.clock.now(), client_ip::of(request));
    let error = match auth::user::log_in(&app.db, &app.throttle, &email, &password, &ip).await {
        Ok(member) => {
            let cookie = auth::session::open_in(&app.db, &member, &client_ip::user_agent(request), &ip, now).await?;
            return Ok(see_signed_in(&app, target(&next), &cookie));
        }
        Err(LogInError::Database(error)) => return Err(error.into()),
        Err(error) => error,
    };
    let unverified = matches!(error, LogInError::Unverified);
    let page = Page(LogInPage { shell, email, next, problem: error.to_string(), unverified });
    let LogInError::TooManyTries { retry_after } = error else { return Ok(page.refused()) };
    let seconds = retry_after.as_secs() + 1;
    Ok(page.with(StatusCode::TOO_MANY_REQUESTS).with_header(RETRY_AFTER, seconds).into_response())
}

/// Only into the portal: an address of another site must not be reached through our login.
fn target(next: &str) -> &str {
    let inside = next == "/app" || next.starts_with("/app/") || next.starts_with("/app?");
    if inside && !next.contains(['\\', '\n', '\r']) { next } else { "/app" }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_login_leads_nowhere_but_into_the_portal() {
        for (next, expected) in [
            ("/app/keys?x=1", "/app/keys?x=1"),
            ("", "/app"),
            ("//evil.example/app", "/app"),
            ("https://evil.example", "/app"),
            ("/app\\@evil.example", "/app"),
            ("/application", "/app"),
        ] {
            assert_eq!(target(next), expected, "{next}");
        }
    }
}
