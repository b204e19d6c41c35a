//! What is refused is part of the year; what breaks ends it.

use crate::billing::coupon::CouponError;
use crate::billing::credit::adjust::AdjustError;
use crate::billing::invoice::act::ActError;
use crate::billing::subscription::ChangeError;

/// Errors of which some are refusals.
pub(super) trait Refusal: std::error::Error + Send + Sync + 'static {
    /// Whether it is one: nothing is broken, and nothing was changed.
    fn is_refusal(&self) -> bool;
}

impl Refusal for ChangeError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Database(_))
    }
}

impl Refusal for CouponError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Database(_))
    }
}

impl Refusal for AdjustError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Database(_))
    }
}

impl Refusal for ActError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Database(_) | Self::Provider(_) | Self::Draft(_))
    }
}

/// Whether it was done: false when it was refused.
///
/// # Errors
/// What is no refusal.
pub(super) fn done<T>(outcome: Result<T, impl Refusal>) -> anyhow::Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
