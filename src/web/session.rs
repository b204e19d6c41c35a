//! The browser's session: its cookie, and the extractor that pages of a signed-in member start with.

use std::time::Duration;

use entity::{account, member};
use poem::http::Method;
use poem::web::Redirect;
use poem::{FromRequest, IntoResponse as _, Request, RequestBody, Response, Result};
use secrecy::ExposeSecret as _;

use super::cookie::{self, Cookie};
use super::page::{Shell, Who, app_of};
use crate::app::App;
use crate::auth;

/// The browser keeps the cookie this long; the session row decides what it is still worth.
const LIVES: Duration = Duration::from_secs(90 * 24 * 3600);

/// The member behind this request. A browser without a session is sent to the login page and comes back afterwards.
pub struct SignedInMember {
    pub member: member::Model,
    pub account: account::Model,
    pub shell: Shell,
}

impl<'a> FromRequest<'a> for SignedInMember {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let app = app_of(request);
        let found = match cookie_of(app, request) {
            Some(cookie) => auth::session::find(&app.db, cookie, app.clock.now()).await.map_err(super::page::Broken)?,
            None => None,
        };
        let Some(signed_in) = found else { return Err(to_login(request)) };
        let who = Who {
            email: signed_in.member.email.clone(),
            account: signed_in.account.name.clone(),
            test_mode: signed_in.account.mode == account::Mode::Test,
            clock_moved: signed_in.account.clock_offset_seconds != 0,
            standing: signed_in.account.standing.as_str(),
        };
        let shell = Shell { who: Some(who), ..Shell::of(request) };
        Ok(Self { member: signed_in.member, account: signed_in.account, shell })
    }
}

fn to_login(request: &Request) -> poem::Error {
    let target = if *request.method() == Method::GET { request.original_uri().to_string() } else { "/app".to_owned() };
    let next = serde_urlencoded::to_string([("next", target)]).unwrap_or_default();
    poem::Error::from_response(Redirect::see_other(format!("/login?{next}")).into_response())
}

/// Name of the session cookie: `__Host-` binds it to this host, which browsers only allow over https.
fn cookie_name(app: &App) -> &'static str {
    if cookie::is_https(app) { "__Host-lensmeter" } else { "lensmeter" }
}

/// The session cookie's value, whatever it is worth.
pub fn cookie_of<'a>(app: &App, request: &'a Request) -> Option<&'a str> {
    cookie::get(request, cookie_name(app)).filter(|value| !value.is_empty())
}

/// The token that forms of this session carry; none without a session.
pub fn form_token(app: &App, request: &Request) -> Option<String> {
    let cookie = cookie_of(app, request)?;
    Some(auth::session::form_token(app.config.server.secret.expose_secret(), cookie))
}

/// Hands the browser its session.
pub fn remember(app: &App, response: &mut Response, value: &str) {
    cookie::set(app, response, &Cookie { name: cookie_name(app), value, lives: LIVES });
}

/// Makes the browser forget its session.
pub fn forget(app: &App, response: &mut Response) {
    cookie::remove(app, response, cookie_name(app));
}
