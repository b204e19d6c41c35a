//! Why a call is not answered. None of these is charged.

use std::time::Duration;

use entity::balance::Scope;
use entity::money::Nanos;

use super::fetch::FetchError;
use crate::metering::idempotency::KeyConflict;
use crate::metering::limits::LimitError;
use crate::vision::{AskError, DecodeError, InferError};

/// The refusals of an inference call; `api/problem` and the playground say them in their own way.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMediaType(String),
    #[error("{0}")]
    Undecodable(String),
    /// There is no such model, or none for the task.
    #[error("{0}")]
    UnknownModel(String),
    /// The model cannot do what an option asks.
    #[error("{option}: {expected}")]
    InvalidOption { option: &'static str, expected: String },
    /// An image given by its URL did not come.
    #[error("{0}")]
    FetchFailed(String),
    /// The plan does not sell the task.
    #[error("{0}")]
    NotInPlan(String),
    #[error("the credit left is {}, which does not cover this call: top up", remaining.decimal(2))]
    InsufficientCredit { remaining: Nanos },
    #[error("the limit per {} has {} left, which does not cover this call", scope.as_str(), remaining.decimal(2))]
    SpendCapReached { scope: Scope, remaining: Nanos },
    #[error("the account is suspended until its open invoice is paid")]
    Suspended,
    /// Of a job: its key was revoked before it ran.
    #[error("the key that submitted the job was revoked before it ran")]
    KeyRevoked,
    /// Of a job: it would cost more than was said when it was submitted.
    #[error("the price rose after the job was submitted")]
    PriceChanged,
    #[error("too many requests: wait {} s", retry_after.as_secs() + 1)]
    RateLimited { retry_after: Duration, policy: &'static str },
    /// The key has a list of models, and this is not on it.
    #[error("{0}")]
    ModelNotAllowed(String),
    /// The model's queue is full.
    #[error("the model is busy: try again in {} s", retry_after.as_secs() + 1)]
    Overloaded { retry_after: Duration },
    /// Something we stand on is away.
    #[error("{0}")]
    Unavailable(&'static str),
    #[error("the call took longer than its deadline")]
    Deadline,
    /// The first call with this idempotency key still runs.
    #[error("a call with this Idempotency-Key is still running")]
    IdempotencyConflict,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for a different request")]
    IdempotencyMismatch,
    /// A defect of ours, logged where it happened.
    #[error("the call failed on our side")]
    Internal,
}

impl From<AskError> for InferenceError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Decode(error) => error.into(),
            AskError::Infer(error) => error.into(),
        }
    }
}

impl From<DecodeError> for InferenceError {
    fn from(error: DecodeError) -> Self {
        let text = error.to_string();
        match error {
            DecodeError::TooLarge { .. } => Self::TooLarge(text),
            DecodeError::UnsupportedMediaType { .. } => Self::UnsupportedMediaType(text),
            DecodeError::Undecodable { .. } => Self::Undecodable(text),
            DecodeError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            DecodeError::Unavailable => Self::Unavailable("pictures cannot be decoded now: nothing was charged"),
        }
    }
}

impl From<InferError> for InferenceError {
    fn from(error: InferError) -> Self {
        match error {
            InferError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            InferError::Deadline => Self::Deadline,
            InferError::Failed(reason) => {
                tracing::error!(reason, "the model failed: {reason}");
                Self::Internal
            }
        }
    }
}

impl From<FetchError> for InferenceError {
    fn from(error: FetchError) -> Self {
        let text = error.to_string();
        match error {
            FetchError::TooLarge(_) => Self::TooLarge(text),
            FetchError::Refused(_) | FetchError::Failed(_) => Self::FetchFailed(text),
            FetchError::Deadline => Self::Deadline,
        }
    }
}

impl From<LimitError> for InferenceError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Insufficient { remaining } => Self::InsufficientCredit { remaining },
            LimitError::CapReached { scope, remaining } => Self::SpendCapReached { scope, remaining },
            LimitError::Unavailable => Self::Unavailable("the balance cannot be checked now: nothing was charged"),
        }
    }
}

impl From<KeyConflict> for InferenceError {
    fn from(error: KeyConflict) -> Self {
        match error {
            KeyConflict::Running => Self::IdempotencyConflict,
            KeyConflict::Mismatch => Self::IdempotencyMismatch,
            KeyConflict::Database(error) => {
                tracing::warn!(%error, "idempotency records cannot be read");
                Self::Unavailable("earlier answers cannot be looked up now: nothing was charged")
            }
        }
    }
}
