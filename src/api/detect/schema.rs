//! The answer of a detection, for the OpenAPI document. The bytes themselves are written once by `inference::answer`, so
//! that a replay is the same to the byte; a test compares the two.

use poem_openapi::{Enum, Object};

/// What `object` says of a detection.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DetectionObject {
    /// A detection.
    Detection,
}

/// What was found in an image, and what that cost.
#[derive(Debug, Object)]
pub struct Detection {
    /// Id of this answer: `inf_…`.
    pub id: String,
    /// Always `detection`.
    pub object: DetectionObject,
    /// When, in Unix seconds.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// Its version.
    pub model_version: String,
    /// The image as sent, after its EXIF rotation.
    pub image: ImageSize,
    /// What was found, most confident first.
    pub predictions: Vec<Prediction>,
    /// Seconds from decoding to the end of inference.
    pub time: f64,
    /// The receipt.
    pub usage: Receipt,
}

/// Size of an image in pixels.
#[derive(Debug, Object)]
pub struct ImageSize {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// One object that was found. `x` and `y` are its centre.
#[derive(Debug, Object)]
pub struct Prediction {
    /// Id of this prediction.
    pub detection_id: String,
    /// Centre, in pixels from the left.
    pub x: f64,
    /// Centre, in pixels from the top.
    pub y: f64,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// From 0 to 1.
    pub confidence: f64,
    /// Name of the class.
    pub class: String,
    /// Number of the class in the model.
    pub class_id: u32,
    /// The same box by its corners.
    #[oai(rename = "box")]
    pub corners: Corners,
}

/// A box by its corners, in whole pixels.
#[derive(Debug, Object)]
pub struct Corners {
    /// Left edge.
    pub xmin: i64,
    /// Top edge.
    pub ymin: i64,
    /// Right edge.
    pub xmax: i64,
    /// Bottom edge.
    pub ymax: i64,
}

/// What a call used and cost.
#[derive(Debug, Object)]
pub struct Receipt {
    /// The usage event on the bill: `evt_…`.
    pub event_id: String,
    /// Images that were charged.
    pub images: i64,
    /// Size of the image, as a decimal text.
    pub megapixels: String,
    /// Time of the model itself, as a decimal text.
    pub compute_ms: String,
    /// Whether the answer came from a cache.
    pub cached: bool,
    /// What the call cost, as a decimal text.
    pub amount: String,
    /// Currency of `amount` and `balance`, in lower case.
    pub currency: String,
    /// What is left after the call, as a decimal text.
    pub balance: String,
}
