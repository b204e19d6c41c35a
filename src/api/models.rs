//! The models that can be run, in the shape of `OpenAI`'s list.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::paging::List;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Caller;
use crate::billing::quote::{self, Quote};
use crate::vision::preprocess::Resize;
use crate::vision::tasks::classify;
use crate::vision::{ModelInfo, Task, Vision};
use crate::web::json::problem::Problem;

pub struct ModelsApi;

/// What `object` says of a model.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ModelObject {
    /// A model.
    Model,
}

/// A model, or one version of it.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Model {
    /// What requests give as `model`: a name such as `elements`, or one version of it such as `elements/1`.
    pub id: String,
    /// Always `model`.
    pub object: ModelObject,
    /// Who made it.
    pub owned_by: String,
    /// What it does: `detect`, `classify` or `embed`.
    pub task: String,
    /// Which version answers. A name may lead to another version tomorrow; a version is always itself.
    pub version: String,
    /// Every version that is served, newest first.
    pub versions: Vec<String>,
    /// Whether it answers calls of its task that name no model.
    pub is_default: bool,
    /// What it is for, in a sentence.
    pub description: String,
    /// The names of its classes, by their `class_id`; empty for one that embeds.
    pub classes: Vec<String>,
    /// The size at which it sees an image.
    pub input: ModelInput,
    /// Options that a call leaves out.
    pub defaults: ModelDefaults,
    /// What the next call costs on the account's plan; left out when the plan does not sell the task.
    pub price: Option<Price>,
}

/// How an image is brought to the size that the model sees.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Resizing {
    /// Scaled down when its longer side is above `side`.
    Fit,
    /// Scaled, and a square of `side` cut from its middle.
    Crop,
    /// Scaled so that its longer side is `side`, and padded to a square.
    Letterbox,
    /// Scaled to a square of `side`, whatever that does to its proportions.
    Stretch,
}

/// The size at which a model sees an image.
#[derive(Debug, Object)]
pub struct ModelInput {
    /// How the image is brought to that size.
    pub resize: Resizing,
    /// Pixels.
    pub side: u32,
}

/// Options that a call leaves out, as far as the task has them.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ModelDefaults {
    /// Least confidence.
    pub min_confidence: Option<f64>,
    /// Boxes of a class that overlap by more are one.
    pub iou: Option<f64>,
    /// Most results.
    pub max_results: Option<u32>,
}

/// The price of one call.
#[derive(Debug, Object)]
pub struct Price {
    /// Of one image, exact, as a decimal text.
    pub amount: String,
    /// Currency of `amount`.
    pub currency: String,
    /// The price in words.
    pub description: String,
    /// What a repeated image costs: `full` or `free`.
    pub cached: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Models")]
impl ModelsApi {
    /// List models
    ///
    /// Every model that can be run, and every version of those that have several. Needs no scope.
    #[oai(path = "/models", method = "get", operation_id = "listModels")]
    async fn list(&self, key: Key, app: Data<&App>) -> Result<Json<List<Model>>, Problem> {
        Ok(Json(List::whole(models(&app, key.any(), false).await?)))
    }

    /// Show a model
    ///
    /// By its name: the version that answers the account's calls now. Needs no scope.
    #[oai(path = "/models/:id", method = "get", operation_id = "getModel")]
    async fn get(
        &self,
        key: Key,
        app: Data<&App>,
        /** Its name. */
        id: Path<String>,
    ) -> Result<Json<Model>, Problem> {
        find(&app, key.any(), &id).await
    }

    /// Show a version of a model
    ///
    /// Needs no scope.
    #[oai(path = "/models/:id/:version", method = "get", operation_id = "getModelVersion")]
    async fn get_version(
        &self,
        key: Key,
        app: Data<&App>,
        /** The model's name. */
        id: Path<String>,
        /** Its version. */
        version: Path<String>,
    ) -> Result<Json<Model>, Problem> {
        find(&app, key.any(), &format!("{}/{}", *id, *version)).await
    }
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<Json<Model>, Problem> {
    let models = models(app, caller, true).await?;
    models.into_iter().find(|model| model.id == id).map(Json).ok_or_else(|| Problem::not_found("model"))
}

/// Models by name, each followed by its versions: of those with several, or of all.
async fn models(app: &App, caller: &Caller, every_version: bool) -> Result<Vec<Model>, Problem> {
    let quotes = quote::quotes(&app.db, &caller.account, 1, app.clock.now()).await?;
    let vision = &app.inference.vision;
    let mut known = vision.models();
    // Stable: versions stay newest first.
    known.sort_by(|a, b| (a.task, &a.name).cmp(&(b.task, &b.name)));
    let mut shown = Vec::new();
    for versions in known.chunk_by(|a, b| (a.task, &a.name) == (b.task, &b.name)) {
        let show = |id: String, model: &ModelInfo| Model::of(id, model, versions, is_default(vision, caller, model), &quotes);
        let name = &versions[0].name;
        let answering = answering(vision, caller, versions[0].task, Some(name));
        shown.push(show(name.clone(), answering.as_ref().unwrap_or(&versions[0])));
        if every_version || versions.len() > 1 {
            shown.extend(versions.iter().map(|model| show(format!("{name}/{}", model.version), model)));
        }
    }
    Ok(shown)
}

/// The model that answers the caller, by a name or by default.
fn answering(vision: &Vision, caller: &Caller, task: Task, name: Option<&str>) -> Option<Arc<ModelInfo>> {
    vision.route(task, name, caller.account.id.0.as_u128()).ok().map(|route| Arc::clone(route.model()))
}

fn is_default(vision: &Vision, caller: &Caller, model: &ModelInfo) -> bool {
    answering(vision, caller, model.task, None).is_some_and(|default| (&default.name, &default.version) == (&model.name, &model.version))
}

impl Model {
    fn of(id: String, model: &ModelInfo, versions: &[Arc<ModelInfo>], is_default: bool, quotes: &[Quote]) -> Self {
        let task = model.task.as_str();
        Self {
            id,
            object: ModelObject::Model,
            owned_by: "lensmeter".to_owned(),
            task: task.to_owned(),
            version: model.version.clone(),
            versions: versions.iter().map(|model| model.version.clone()).collect(),
            is_default,
            description: model.description.clone(),
            classes: model.classes.clone(),
            input: ModelInput::of(model.input.resize),
            defaults: ModelDefaults::of(model),
            price: quote::of(quotes, task, &model.name).and_then(Price::of),
        }
    }
}

impl ModelInput {
    fn of(resize: Resize) -> Self {
        let (resize, side) = match resize {
            Resize::Fit { max_side, .. } => (Resizing::Fit, max_side),
            Resize::Crop { side, .. } => (Resizing::Crop, side),
            Resize::Letterbox { side } => (Resizing::Letterbox, side),
            Resize::Stretch { side } => (Resizing::Stretch, side),
        };
        Self { resize, side: side as u32 }
    }
}

impl ModelDefaults {
    fn of(model: &ModelInfo) -> Self {
        let defaults = model.defaults;
        // As text, so that 0.4 does not become 0.4000000059604645.
        let share = |share: f32| share.to_string().parse().ok();
        match model.task {
            Task::Detect => Self {
                min_confidence: share(defaults.min_confidence),
                iou: share(defaults.iou),
                max_results: Some(defaults.max_results as u32),
            },
            Task::Classify => Self { min_confidence: None, iou: None, max_results: Some(classify::most(model) as u32) },
            Task::Embed => Self { min_confidence: None, iou: None, max_results: None },
        }
    }
}

impl Price {
    fn of(quote: &Quote) -> Option<Self> {
        Some(Self {
            amount: money::nanos(quote.amount.ok()?, &quote.currency),
            currency: quote.currency.clone(),
            description: quote.description(),
            cached: quote.cached().as_str().to_owned(),
        })
    }
}
