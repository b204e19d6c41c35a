//! Url-encoded forms: bounded, checked to be ours, and read into a struct.

use std::collections::HashMap;

use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::csrf;
use super::page::app_of;

/// No form of ours comes near it.
const LIMIT: usize = 64 * 1024;

/// A form that one of our own pages sent, read into `T`. Fields that `T` does not know are ignored.
pub struct Form<T>(pub T);

/// A form of nothing but a button, and the token that [`Form`] checks.
#[derive(Deserialize)]
pub struct Confirmed {}

/// A body that is not the form the page sends.
#[derive(Debug, thiserror::Error)]
pub enum BadForm {
    #[error("The form is larger than it can be.")]
    TooLarge,
    #[error("The form could not be read: {0}.")]
    Unreadable(String),
}

impl ResponseError for BadForm {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl<'a, T: DeserializeOwned + Send> FromRequest<'a> for Form<T> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = body.take()?.into_bytes_limit(LIMIT).await.map_err(|_| BadForm::TooLarge)?;
        let fields: HashMap<String, String> =
            serde_urlencoded::from_bytes(&bytes).map_err(|error| BadForm::Unreadable(error.to_string()))?;
        csrf::check_token(app_of(request), request, fields.get(csrf::FIELD).map(String::as_str))?;
        let form = serde_urlencoded::from_bytes(&bytes).map_err(|error| BadForm::Unreadable(error.to_string()))?;
        Ok(Self(form))
    }
}

/// What is wrong with a form, by field; shown beside the fields.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<(&'static str, String)>);

impl FieldErrors {
    /// A form with one thing wrong.
    pub fn one(field: &'static str, text: impl ToString) -> Self {
        Self(vec![(field, text.to_string())])
    }

    /// Says what is wrong with a field.
    pub fn add(&mut self, field: &'static str, text: impl ToString) {
        self.0.push((field, text.to_string()));
    }

    /// What is wrong with this field; empty when nothing is.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == field).map_or("", |(_, text)| text)
    }

    /// True when the form can be used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
