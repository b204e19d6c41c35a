//! `POST /v1/classify`: one image in, what it shows out, and what it cost.

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
pub const ROUTE: &str = "/v1/classify";

pub struct ClassifyApi;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Inference")]
impl ClassifyApi {
    /// Classify an image
    ///
    /// Says what one image shows as a whole, where the operator serves a classifier. The image and the options come as they
    /// do for `POST /v1/detect`. The call is charged when, and only when, it answers 200. Needs the scope `infer`.
    #[oai(path = "/classify", method = "post", operation_id = "classify")]
    pub(super) async fn classify(
        &self,
        key: Key,
        app: Data<&App>,
        request: &Request,
        body: Body,
    ) -> Result<Answer<Classification>, Problem> {
        infer::answer((&key, &app), request, body, (Task::Classify, ROUTE)).await
    }
}

/// What `object` says of a classification.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ClassificationObject {
    /// A classification.
    Classification,
}

/// What an image shows, and what it cost to know.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Classification {
    /// Id of this answer: `inf_…`.
    pub id: String,
    /// Always `classification`.
    pub object: ClassificationObject,
    /// When, in Unix seconds.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// Its version.
    pub model_version: String,
    /// The image as sent, after its EXIF rotation.
    pub image: ImageSize,
    /// The classes, most confident first: five unless `max_results` says otherwise.
    pub predictions: Vec<ClassPrediction>,
    /// The most confident class; left out when none is as confident as `min_confidence`.
    pub top: Option<String>,
    /// The confidence of `top`.
    pub confidence: Option<f64>,
    /// Seconds from decoding to the end of inference.
    pub time: f64,
    /// The receipt.
    pub usage: Receipt,
}

/// One class that the image may show.
#[derive(Debug, Object)]
pub struct ClassPrediction {
    /// Name of the class.
    pub class: String,
    /// Number of the class in the model.
    pub class_id: u32,
    /// From 0 to 1; those of all classes of the model add up to 1.
    pub confidence: f64,
}
