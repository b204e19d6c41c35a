//! Pages: what the shell around each of them needs, and how a template becomes an answer.

use askama::Template;
use poem::error::ResponseError;
use poem::http::{StatusCode, header};
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response, Result};
use sea_orm::DbErr;

use super::flash::{self, Flash};
use super::{cookie, request_id, session};
use crate::app::App;

/// Name of the cookie that keeps the chosen theme.
pub const THEME_COOKIE: &str = "theme";

/// What the shell around a page shows: the templates' `shell`.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// `light`, `dark`, or empty: as the system has it.
    pub theme: String,
    /// Hidden field of every form; empty without a session.
    pub form_token: String,
    /// A session cookie came along: the public pages then lead into the portal.
    pub has_session: bool,
    /// The member, on pages that ask for one.
    pub who: Option<Who>,
    /// What the request before this one left to say.
    pub flash: Option<Flash>,
    /// Path of this page.
    pub path: String,
    /// Id of this request, for error pages.
    pub request_id: String,
}

/// The member as the shell shows them.
#[derive(Debug, Clone)]
pub struct Who {
    pub email: String,
    pub account: String,
    pub test_mode: bool,
    /// The account's simulated clock is ahead of the wall clock.
    pub clock_moved: bool,
    /// `active`, `past_due`, `suspended`, `closed`.
    pub standing: &'static str,
}

impl Shell {
    /// Reads the shell off a request, without asking the database.
    pub fn of(request: &Request) -> Self {
        let app = app_of(request);
        let theme = cookie::get(request, THEME_COOKIE).filter(|theme| matches!(*theme, "light" | "dark")).unwrap_or_default();
        Self {
            theme: theme.to_owned(),
            form_token: session::form_token(app, request).unwrap_or_default(),
            has_session: session::cookie_of(app, request).is_some(),
            who: None,
            flash: flash::find(app, request),
            path: request.original_uri().path().to_owned(),
            request_id: request_id::of(request).to_string(),
        }
    }

    /// True when the request before this one left this message.
    pub fn says(&self, code: &str) -> bool {
        self.flash.as_ref().is_some_and(|flash| flash.code == code)
    }

    /// The detail of the message `code`; empty without it.
    pub fn detail(&self, code: &str) -> &str {
        self.flash.as_ref().filter(|flash| flash.code == code).map_or("", |flash| &flash.detail)
    }

    /// True when `section` is the part of the portal this page belongs to.
    pub fn is_in(&self, section: &str) -> bool {
        self.path == section || (section != "/app" && self.path.starts_with(section))
    }
}

impl<'a> FromRequest<'a> for Shell {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request))
    }
}

/// The application behind a request.
///
/// # Panics
/// When the server was put together without it, which the first request of any test shows.
pub fn app_of(request: &Request) -> &App {
    request.data::<App>().expect("the server adds App to every request")
}

/// A page: its template, rendered.
pub struct Page<T>(pub T);

impl<T: Template + Send> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Response::builder()
                .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
                .header(header::CACHE_CONTROL, "no-store")
                .body(html),
            Err(error) => {
                tracing::error!(%error, "a page could not be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into()
            }
        }
    }
}

impl<T: Template + Send> Page<T> {
    /// The page with another status than 200.
    pub fn with(self, status: StatusCode) -> Response {
        let mut response = self.into_response();
        response.set_status(status);
        response
    }

    /// The page again, because its form cannot be used as it is.
    pub fn refused(self) -> Response {
        self.with(StatusCode::UNPROCESSABLE_ENTITY)
    }
}

/// The database failed: the page cannot be made now.
#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct Broken(#[from] pub DbErr);

impl ResponseError for Broken {
    fn status(&self) -> StatusCode {
        match self.0 {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
