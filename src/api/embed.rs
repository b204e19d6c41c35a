//! `POST /v1/embed`: one image in, a vector out in the shape of `OpenAI`'s embeddings, and what it cost.

use poem::web::Data;
use poem::{Body, Request};
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::auth::Key;
use super::infer::schema::{ImageSize, Receipt};
use super::infer::{self, Answer};
use super::paging::ListObject;
use crate::app::App;
use crate::vision::Task;
use crate::web::json::problem::Problem;

/// The route, as metering and idempotency know it.
pub const ROUTE: &str = "/v1/embed";

pub struct EmbedApi;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Inference")]
impl EmbedApi {
    /// Embed an image
    ///
    /// Gives a vector of length 1 for comparing images by their dot product, where the operator serves such a model. The image
    /// and the options come as they do for `POST /v1/detect`. The call is charged when, and only when, it answers 200. Needs
    /// the scope `infer`.
    #[oai(path = "/embed", method = "post", operation_id = "embed")]
    pub(super) async fn embed(&self, key: Key, app: Data<&App>, request: &Request, body: Body) -> Result<Answer<Embeddings>, Problem> {
        infer::answer((&key, &app), request, body, (Task::Embed, ROUTE)).await
    }
}

/// What `object` says of an embedding.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum EmbeddingObject {
    /// An embedding.
    Embedding,
}

/// The embedding of an image as a list of one, and what it cost.
#[derive(Debug, Object)]
pub struct Embeddings {
    /// Id of this answer: `inf_…`.
    pub id: String,
    /// Always `list`.
    pub object: ListObject,
    /// When, in Unix seconds.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// Its version.
    pub model_version: String,
    /// The image as sent, after its EXIF rotation.
    pub image: ImageSize,
    /// One entry, for the one image.
    pub data: Vec<Embedding>,
    /// Seconds from decoding to the end of inference.
    pub time: f64,
    /// The receipt.
    pub usage: Receipt,
}

/// One embedding.
#[derive(Debug, Object)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: EmbeddingObject,
    /// Its place in the list.
    pub index: u32,
    /// The vector. With `encoding_format` `base64` it is a text instead: 32-bit floats, the lowest byte first, in base64.
    pub embedding: Vec<f64>,
}
