//! What the answers of all tasks have in common, for the OpenAPI document. The bytes themselves are written once by
//! `inference::answer`, so that a replay is the same to the byte; tests compare the two.

use poem_openapi::Object;

/// Size of an image in pixels.
#[derive(Debug, Object)]
pub struct ImageSize {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// What a call used and cost.
#[derive(Debug, Object)]
pub struct Receipt {
    /// The usage event on the bill: `evt_…`.
    pub event_id: String,
    /// Images that were charged: 0 for a repeated image where the plan makes those free.
    pub images: i64,
    /// Size of the image, as a decimal text.
    pub megapixels: String,
    /// Time of the model itself, as a decimal text.
    pub compute_ms: String,
    /// Whether the answer is that of an equal call of the account: no model ran for this one.
    pub cached: bool,
    /// What the call cost, as a decimal text.
    pub amount: String,
    /// Currency of `amount` and `balance`, in lower case.
    pub currency: String,
    /// What is left after the call, as a decimal text.
    pub balance: String,
}
