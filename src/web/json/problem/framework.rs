//! What poem and poem-openapi refuse by themselves, in our words. They give sentences only, so the name of the field is
//! taken out of the sentence; when that fails the sentence itself still says it.

use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::StatusCode;
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError};

use super::{Code, Problem};

impl Problem {
    /// Any error that reached the edge.
    pub(super) fn from_any(error: poem::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(ours) => return ours,
            Err(error) => error,
        };
        if let Some(wrong) = error.downcast_ref::<ParseRequestPayloadError>() {
            return Self::of_body(&wrong.reason);
        }
        if let Some(wrong) = error.downcast_ref::<ParseParamError>() {
            return Self::field(Code::InvalidField, wrong.name, expectation(&wrong.reason));
        }
        // An id of the wrong form names nothing.
        if let Some(wrong) = error.downcast_ref::<ParsePathError>() {
            return Self::field(Code::NotFound, wrong.name, sentence(&wrong.reason));
        }
        if let Some(wrong) = error.downcast_ref::<ContentTypeError>() {
            return Self::new(Code::UnsupportedMediaType, content_type(wrong));
        }
        if error.is::<NotFoundError>() {
            return Self::new(Code::NotFound, "There is no such route. The API reference at /docs lists all of them.");
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::plain(Code::MethodNotAllowed);
        }
        Self::of_status(error)
    }

    fn of_status(error: poem::Error) -> Self {
        match error.status() {
            StatusCode::UNAUTHORIZED => Self::plain(Code::InvalidKey),
            StatusCode::NOT_FOUND => Self::plain(Code::NotFound),
            StatusCode::PAYLOAD_TOO_LARGE => Self::plain(Code::BodyTooLarge),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::plain(Code::UnsupportedMediaType),
            status if status.is_client_error() => Self::new(Code::InvalidRequest, sentence(&error.to_string())),
            _ => {
                tracing::error!(%error, "a request failed: {error}");
                Self::plain(Code::Internal)
            }
        }
    }

    /// What is wrong with a JSON body, from the reason that serde or poem-openapi gives.
    pub fn of_body(reason: &str) -> Self {
        let field = reason.split('`').nth(1).or_else(|| reason.split('"').nth(1)).unwrap_or("body");
        if reason.contains("unknown field") || reason.contains("Unknown field") {
            return Self::field(Code::UnknownField, field, "this route has no such field");
        }
        if reason.contains("missing field") || reason.contains("is required") {
            return Self::field(Code::MissingField, field, "this field is needed");
        }
        // serde tells apart what is no JSON at all and JSON of another shape; poem-openapi never says "line".
        if reason.contains(" at line ")
            && !reason.contains("invalid type")
            && !reason.contains("invalid value")
            && !reason.contains("unknown variant")
        {
            return Self::new(Code::InvalidJson, format!("The body is not valid JSON: {reason}."));
        }
        Self::field(Code::InvalidField, &last_part(reason, field), sentence(reason))
    }
}

/// poem-openapi writes `failed to parse "Type_field": reason`; the field is behind the underscore.
fn last_part(reason: &str, found: &str) -> String {
    match reason.contains("failed to parse") {
        true => found.rsplit_once('_').map_or(found, |(_, field)| field).to_owned(),
        false => found.to_owned(),
    }
}

fn content_type(wrong: &ContentTypeError) -> String {
    let found = match wrong {
        ContentTypeError::NotSupported { content_type } => format!("A body of type {content_type:?} is not understood"),
        ContentTypeError::ExpectContentType => "The request does not say what its body is".to_owned(),
    };
    format!("{found}. Send JSON with `Content-Type: application/json`.")
}

/// What was expected of a parameter, out of `verification failed. minimum(1, exclusive: false)`.
fn expectation(reason: &str) -> String {
    let Some(rule) = reason.split("verification failed. ").nth(1) else { return sentence(reason) };
    let bound = |rule: &str| rule.split(['(', ',', ')']).nth(1).unwrap_or_default().to_owned();
    match rule.split('(').next() {
        Some("minimum") => format!("expected at least {}", bound(rule)),
        Some("maximum") => format!("expected at most {}", bound(rule)),
        _ => format!("expected {rule}"),
    }
}

/// With a capital and a full stop left to the reader: only the first line, without line numbers of a parser.
fn sentence(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frameworks_sentences_become_ours() {
        assert_eq!(expectation("verification failed. minimum(1, exclusive: false)"), "expected at least 1");
        assert_eq!(expectation("verification failed. maximum(100, exclusive: false)"), "expected at most 100");
        let unknown = Problem::of_body("failed to parse \"CreateKey\": unknown field `colour`.");
        assert_eq!((unknown.code, unknown.errors[0].field.as_str()), (Code::UnknownField, "colour"));
        assert_eq!(Problem::of_body("expected value at line 1 column 1").code, Code::InvalidJson);
    }
}
