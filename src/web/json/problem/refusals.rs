//! What our own domains refuse, in the words of the API.

use sea_orm::DbErr;

use super::{Code, Problem};
use crate::inference::InferenceError;

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        tracing::error!(%error, "the database refused: {error}");
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::plain(Code::Unavailable),
            _ => Self::plain(Code::Internal),
        }
    }
}

impl From<InferenceError> for Problem {
    fn from(error: InferenceError) -> Self {
        let text = error.to_string();
        // The sentence of this occurrence, then what to do.
        let said = |code: Code| Self::new(code, format!("{}. {}", capital(&text), code.about().advice));
        match error {
            InferenceError::TooLarge(_) => said(Code::ImageTooLarge),
            // Says already what to send.
            InferenceError::UnsupportedMediaType(_) => Self::new(Code::UnsupportedMediaType, format!("{}.", capital(&text))),
            InferenceError::Undecodable(_) => said(Code::UndecodableImage),
            InferenceError::UnknownModel(_) => said(Code::UnknownModel),
            InferenceError::InvalidOption { option, expected } => Self::field(Code::InvalidField, option, expected),
            InferenceError::FetchFailed(_) => said(Code::ImageFetchFailed),
            InferenceError::NotInPlan(_) => said(Code::NotInPlan),
            InferenceError::InsufficientCredit { .. } => said(Code::InsufficientCredit),
            InferenceError::SpendCapReached { .. } => said(Code::SpendCapReached),
            InferenceError::Suspended => Self::plain(Code::AccountSuspended),
            InferenceError::KeyRevoked => said(Code::InvalidKey),
            InferenceError::PriceChanged => said(Code::PriceChanged),
            InferenceError::RateLimited { retry_after, policy } => {
                Self { policy: Some(policy), ..said(Code::RateLimited).retry_after(retry_after) }
            }
            InferenceError::ModelNotAllowed(_) => said(Code::ModelNotAllowed),
            InferenceError::Overloaded { retry_after } => Self::plain(Code::Overloaded).retry_after(retry_after),
            InferenceError::Unavailable(_) => said(Code::Unavailable),
            InferenceError::Deadline => Self::plain(Code::Deadline),
            InferenceError::IdempotencyConflict => Self::plain(Code::IdempotencyConflict),
            InferenceError::IdempotencyMismatch => Self::plain(Code::IdempotencyMismatch),
            InferenceError::Internal => Self::plain(Code::Internal),
        }
    }
}

/// The text as a sentence's start, without its full stop.
fn capital(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
