//! Forms may only be sent by our own pages. Two checks: where the request comes from (`Sec-Fetch-Site`, or `Origin` from
//! browsers and sites without it), and a token that only a page made for this session carries.

use poem::error::ResponseError;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Middleware, Request, Result};

use super::session;
use crate::app::App;
use crate::platform::secret;

/// Name of the hidden field that every form carries.
pub const FIELD: &str = "form_token";

/// Why a form was refused. The text is shown to the person.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("This form was sent from another site. Open the page here and send it again.")]
    ForeignSite,
    #[error("This page is out of date: you signed in or out since it was opened. Go back, reload it and send the form again.")]
    StaleToken,
}

impl ResponseError for Refused {
    fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

/// Refuses an unsafe request that does not come from our own pages.
///
/// # Errors
/// When the browser names another site, or says nothing at all.
pub fn check_site(app: &App, request: &Request) -> Result<(), Refused> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let own = match request.header("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        // Browsers leave Sec-Fetch-Site out on plain http outside localhost.
        None => request.header("origin") == Some(app.config.server.public_url.as_str()),
    };
    if own { Ok(()) } else { Err(Refused::ForeignSite) }
}

/// Refuses a form whose token was not made for the session it comes with. Without a session there is nothing to protect
/// but what [`check_site`] already does.
///
/// # Errors
/// When the token is missing or of another session.
pub fn check_token(app: &App, request: &Request, given: Option<&str>) -> Result<(), Refused> {
    let Some(expected) = session::form_token(app, request) else { return Ok(()) };
    if given.is_some_and(|given| secret::equal(given, &expected)) { Ok(()) } else { Err(Refused::StaleToken) }
}

/// Runs [`check_site`] before anything behind it.
pub struct OwnSite(pub App);

impl<E: Endpoint> Middleware<E> for OwnSite {
    type Output = OwnSiteEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        OwnSiteEndpoint { app: self.0.clone(), inner }
    }
}

/// See [`OwnSite`].
pub struct OwnSiteEndpoint<E> {
    app: App,
    inner: E,
}

impl<E: Endpoint> Endpoint for OwnSiteEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<Self::Output> {
        check_site(&self.app, &request)?;
        self.inner.call(request).await
    }
}
