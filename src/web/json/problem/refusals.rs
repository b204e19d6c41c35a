//! What our own domains refuse, in the words of the API.

use sea_orm::DbErr;

use super::{Code, Problem};
use crate::billing::coupon::CouponError;
use crate::billing::credit::adjust::AdjustError;
use crate::billing::invoice::act::ActError;
use crate::billing::subscription::ChangeError;
use crate::inference::InferenceError;
use crate::metering::archive::ReadError;

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        tracing::error!(%error, "the database refused: {error}");
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::plain(Code::Unavailable),
            _ => Self::plain(Code::Internal),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        if let ReadError::Database(error) = error {
            return error.into();
        }
        tracing::error!(%error, "{error}");
        match error {
            ReadError::Changed { .. } => Self::plain(Code::Internal),
            _ => Self::plain(Code::Unavailable),
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

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let text = error.to_string();
        match error {
            ChangeError::NoPlan(_) | ChangeError::Currency { .. } => Self::field(Code::InvalidField, "plan", text),
            ChangeError::Same | ChangeError::NotRunning | ChangeError::NotPaused | ChangeError::NothingToUndo => {
                let advice = Code::SubscriptionState.about().advice;
                Self::new(Code::SubscriptionState, format!("{}. {advice}", capital(&text)))
            }
            ChangeError::Reason => Self::field(Code::InvalidField, "reason", text.trim_start_matches("reason: ").to_owned()),
            ChangeError::Database(error) => error.into(),
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        let text = error.to_string();
        let of_field = |field: &str| Self::field(Code::InvalidField, field, text.trim_start_matches(field).trim_start_matches(": "));
        match error {
            ActError::Unknown => Self::new(Code::NotFound, "There is no such invoice."),
            ActError::Reason => of_field("reason"),
            ActError::Description => of_field("description"),
            ActError::Amount { .. } | ActError::Conflict(_) => of_field("amount"),
            ActError::State { .. } => Self::new(Code::InvoiceState, format!("{}.", capital(&text))),
            ActError::Draft(_) => Self::new(Code::InvoiceState, format!("{}.", capital(&text))),
            ActError::Provider(_) => Self::new(Code::Unavailable, format!("{}.", capital(&text))),
            ActError::Database(error) => error.into(),
        }
    }
}

impl From<AdjustError> for Problem {
    fn from(error: AdjustError) -> Self {
        let text = error.to_string();
        match error {
            AdjustError::Unknown | AdjustError::NoBalance => Self::new(Code::NotFound, format!("{}.", capital(&text))),
            AdjustError::Nothing | AdjustError::TooMuch(_) => Self::field(Code::InvalidField, "amount", text),
            AdjustError::Expiry => Self::field(Code::InvalidField, "expires_at", text),
            AdjustError::Reason => Self::field(Code::InvalidField, "reason", "expected 1 to 500 letters"),
            AdjustError::Repeated => Self::field(Code::InvalidField, "reference", text),
            AdjustError::Database(error) => error.into(),
        }
    }
}

impl From<CouponError> for Problem {
    fn from(error: CouponError) -> Self {
        let text = error.to_string();
        match error {
            CouponError::Invalid { field, reason } => Self::field(Code::InvalidField, field, reason),
            CouponError::NoAccount => Self::new(Code::NotFound, "There is no such account."),
            CouponError::Taken(_) | CouponError::Unknown(_) | CouponError::Currency { .. } | CouponError::Redeemed | CouponError::Full => {
                Self::field(Code::InvalidField, "code", text)
            }
            CouponError::Database(error) => error.into(),
        }
    }
}

/// The text as a sentence's start, without its full stop.
fn capital(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
