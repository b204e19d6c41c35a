//! The models that can be run, in the shape of OpenAI's list.

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::paging::List;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Caller;
use crate::billing::{close, plan, rating};
use crate::metering::report;
use crate::vision::ModelInfo;
use crate::web::json::problem::Problem;

pub struct ModelsApi;

/// What `object` says of a model.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ModelObject {
    /// A model.
    Model,
}

/// A model.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Model {
    /// Its name: what requests give as `model`.
    pub id: String,
    /// Always `model`.
    pub object: ModelObject,
    /// Who made it.
    pub owned_by: String,
    /// What it does: `detect`.
    pub task: String,
    /// Which version answers.
    pub version: String,
    /// The names of its classes, by their `class_id`.
    pub classes: Vec<String>,
    /// What the next call costs on the account's plan.
    pub price: Option<Price>,
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
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Models")]
impl ModelsApi {
    /// List models
    ///
    /// Every model that can be run. Needs no scope.
    #[oai(path = "/models", method = "get", operation_id = "listModels")]
    async fn list(&self, key: Key, app: Data<&App>) -> Result<Json<List<Model>>, Problem> {
        let prices = prices(&app, key.any()).await?;
        Ok(Json(List::whole(app.inference.vision.models().iter().map(|model| Model::of(model, &prices)).collect())))
    }

    /// Show a model
    ///
    /// Needs no scope.
    #[oai(path = "/models/:id", method = "get", operation_id = "getModel")]
    async fn get(
        &self,
        key: Key,
        app: Data<&App>,
        /** Its name. */
        id: Path<String>,
    ) -> Result<Json<Model>, Problem> {
        let prices = prices(&app, key.any()).await?;
        let models = app.inference.vision.models();
        let model = models.iter().find(|model| model.name == *id).ok_or_else(|| Problem::not_found("model"))?;
        Ok(Json(Model::of(model, &prices)))
    }
}

impl Model {
    fn of(model: &ModelInfo, prices: &[(String, Price)]) -> Self {
        let task = model.task.as_str();
        let price = prices.iter().find(|(of, _)| of == task).map(|(_, price)| Price {
            amount: price.amount.clone(),
            currency: price.currency.clone(),
            description: price.description.clone(),
        });
        Self {
            id: model.name.clone(),
            object: ModelObject::Model,
            owned_by: "lensmeter".to_owned(),
            task: task.to_owned(),
            version: model.version.clone(),
            classes: model.classes.clone(),
            price,
        }
    }
}

/// What one unit of each task costs the caller next.
async fn prices(app: &App, caller: &Caller) -> Result<Vec<(String, Price)>, Problem> {
    let account = &caller.account;
    let Some((version, prices)) = plan::current(&app.db, account.id).await? else { return Ok(Vec::new()) };
    let before = match close::open_period(&app.db, account, app.clock.now()).await? {
        Some(period) => report::totals(&app.db, account.id, period.id).await?.quantity,
        None => 0,
    };
    let price = |price: entity::price::Model| {
        let amount = rating::charge(&price.tiers, before, 1).ok()?;
        let amount = money::nanos(amount, &version.currency);
        Some((price.task, Price { amount, currency: version.currency.clone(), description: price.description }))
    };
    Ok(prices.into_iter().filter_map(price).collect())
}
