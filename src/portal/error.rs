//! The only place where an error becomes a page.

use askama::Template;
use poem::error::{NotFoundError, ResponseError};
use poem::http::StatusCode;
use poem::{Error, Response};
use sea_orm::DbErr;

use crate::metering::archive::ReadError;
use crate::web::csrf::Refused;
use crate::web::form::BadForm;
use crate::web::page::{Broken, Page, Shell};

/// What a handler fails with when the page cannot say it itself.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// There is no such page, or it belongs to another account: the same answer.
    #[error("not found")]
    NotFound,
    #[error("{0}")]
    Database(#[from] DbErr),
    /// Old usage that cannot be read.
    #[error(transparent)]
    Archive(#[from] ReadError),
    /// No subscription runs: it is paused or has ended.
    #[error("no subscription runs")]
    Unsubscribed,
    /// Something else that is ours to look at.
    #[error("{0}")]
    Internal(String),
}

impl ResponseError for PortalError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unsubscribed => StatusCode::SEE_OTHER,
            Self::Database(error) | Self::Archive(ReadError::Database(error)) => match error {
                DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Archive(ReadError::Store { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Archive(ReadError::Changed { .. }) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Broken> for PortalError {
    fn from(broken: Broken) -> Self {
        Self::Database(broken.0)
    }
}

impl PortalError {
    /// Leads to the page where a plan can be chosen.
    pub fn unsubscribed() -> Self {
        Self::Unsubscribed
    }

    /// An error that only the log explains.
    pub fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string())
    }
}

#[derive(Template)]
#[template(path = "portal/error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    text: String,
}

/// The page of an error; answers that handlers made themselves (redirects) pass unchanged.
pub fn page(shell: Shell, error: Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    if matches!(error.downcast_ref(), Some(PortalError::Unsubscribed)) {
        return super::see("/app/billing/plan");
    }
    let status = error.status();
    if status.is_server_error() {
        tracing::error!(%error, status = status.as_u16(), "a page failed");
    }
    let (title, text) = words(&error, status);
    Page(ErrorPage { shell, status: status.as_u16(), title, text }).with(status)
}

fn words(error: &Error, status: StatusCode) -> (&'static str, String) {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return ("This form was not accepted", refused.to_string());
    }
    if let Some(bad) = error.downcast_ref::<BadForm>() {
        return ("This form was not accepted", bad.to_string());
    }
    match status {
        _ if error.is::<NotFoundError>() => ("There is no such page", MISSING.to_owned()),
        StatusCode::NOT_FOUND => ("There is no such page", MISSING.to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => ("This page cannot be used like that", "Open it from the menu instead.".to_owned()),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("We cannot reach our data right now", "Nothing is lost. Please try again in a minute.".to_owned())
        }
        status if status.is_client_error() => ("This request could not be read", "Please go back and try again.".to_owned()),
        _ => ("Something went wrong on our side", "It is noted. When you write to us, name the request below.".to_owned()),
    }
}

const MISSING: &str = "The address may be mistyped, or it belongs to another account.";
