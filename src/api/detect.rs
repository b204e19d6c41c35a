//! `POST /v1/detect`: one image in, boxes out, and what it cost.

use poem::web::Data;
use poem::{Body, Request};
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::auth::Key;
use super::infer::schema::{ImageSize, Receipt};
use super::infer::{self, Answer};
use crate::app::App;
use crate::vision::Task;
use crate::web::json::problem::Problem;

/// The route, as metering and idempotency know it.
pub const ROUTE: &str = "/v1/detect";

pub struct DetectApi;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Inference")]
impl DetectApi {
    /// Detect objects
    ///
    /// Finds objects in one image. The image comes as the multipart field `image`, as the raw body, as base64 in JSON, or by
    /// its URL in JSON; the options come beside it as fields, or in the query. The call is charged when, and only when, it
    /// answers 200. Needs the scope `infer`.
    #[oai(path = "/detect", method = "post", operation_id = "detect")]
    pub(super) async fn detect(&self, key: Key, app: Data<&App>, request: &Request, body: Body) -> Result<Answer<Detection>, Problem> {
        infer::answer((&key, &app), request, body, (Task::Detect, ROUTE)).await
    }
}

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

/// One object that was found. `x` and `y` are its centre.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
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
    /// Corners of the object itself where it is turned and its direction is known, as lines of text are: four points, `x` and
    /// `y` each, clockwise from the top left.
    pub quad: Option<Vec<Vec<f64>>>,
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
