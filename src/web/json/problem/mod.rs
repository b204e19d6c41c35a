//! The only place where an error becomes JSON: problem details of RFC 9457, for our own errors and the framework's.

mod code;
mod framework;
mod refusals;

use std::time::Duration;

use entity::ids::RequestId;
use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse as _, Response};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

pub use code::{About, Code};

/// The media type of every error.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Why a request was refused, as the surface knows it. The rest of the document is added when it is rendered.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    pub code: Code,
    /// What is wrong this time, and what to do.
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    /// Which limit was exceeded, of those that the header `RateLimit-Policy` names.
    pub policy: Option<&'static str>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, Object)]
pub struct FieldError {
    /// Name of the field, query parameter or path parameter.
    pub field: String,
    /// What was expected of it.
    pub detail: String,
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Problem")]
pub struct Document {
    /// URL of a page about this kind of problem.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The same short sentence for every problem of this kind.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// What programs branch on.
    pub code: String,
    /// Tell support this id.
    pub request_id: String,
    /// One entry per field that is wrong.
    pub errors: Vec<FieldError>,
    /// Of `rate_limited`: which limits were exceeded, as the header `RateLimit-Policy` names them.
    #[oai(rename = "violated-policies", skip_serializing_if_is_none)]
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    pub violated_policies: Option<Vec<String>>,
}

impl Problem {
    /// A problem with its own sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, policy: None }
    }

    /// A problem that the general advice of its code says enough about.
    pub fn plain(code: Code) -> Self {
        Self::new(code, code.about().advice)
    }

    /// A problem with one field.
    pub fn field(code: Code, field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let errors = vec![FieldError { field: field.to_owned(), detail: detail.clone() }];
        Self { errors, ..Self::new(code, format!("`{field}`: {detail}")) }
    }

    /// Nothing under this id, or nothing of this account.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what} in this account. {}", Code::NotFound.about().advice))
    }

    /// The client may come back after this long.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The whole document for the request with this id.
    pub fn document(&self, public_url: &str, request_id: &str) -> Document {
        let about = self.code.about();
        Document {
            kind: format!("{public_url}/docs/errors/{}", about.code),
            title: about.title.to_owned(),
            status: about.status.as_u16(),
            detail: self.detail.clone(),
            code: about.code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            violated_policies: self.policy.map(|policy| vec![policy.to_owned()]),
        }
    }

    /// The response for the request with this id.
    pub fn render(&self, public_url: &str, request_id: &str) -> Response {
        let about = self.code.about();
        // By serde, which keeps the order that people read in.
        let mut response = poem::web::Json(self.document(public_url, request_id)).into_response();
        response.set_status(about.status);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if about.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lensmeter\""));
        }
        if let Some(seconds) = self.wait() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Whole seconds of `Retry-After`, rounded up: coming back earlier would fail again. 429 and 503 always have one.
    fn wait(&self) -> Option<u64> {
        let known = self.retry_after.map(|wait| (wait.as_millis().div_ceil(1000) as u64).max(1));
        match self.code.about().status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => known.or(Some(1)),
            _ => known,
        }
    }
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.about().status
    }
}

/// Problems are described once, by the spec finisher, for every operation.
impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_: &mut Registry) {}
}

/// Whatever error comes out of a JSON route, ours or the framework's, leaves as a problem document.
pub fn rendered(error: poem::Error, public_url: &str, id: RequestId) -> Response {
    // A response that travels as an error is already what it should be.
    if error.is_from_response() { error.into_response() } else { Problem::from_any(error).render(public_url, &id.to_string()) }
}
