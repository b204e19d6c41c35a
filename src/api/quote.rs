//! What a call would cost now, without making it.

use entity::ids::AccountId;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::quote;
use crate::vision::Vision;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct QuoteApi;

/// A call to price.
#[derive(Debug, Object)]
pub struct QuoteRequest {
    /// What would be done: `detect`, `classify` or `embed`. Without it: what `model` does, or `detect`.
    pub task: Option<String>,
    /// Which model would do it, as in the call.
    pub model: Option<String>,
    /// How many images, from 1 to 1,000,000. Without it: 1.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub images: Option<i64>,
}

impl FromFields for QuoteRequest {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        let (task, model) = (fields.text("task")?, fields.text("model")?);
        Ok(Self { task, model, images: fields.whole("images", 1, 1_000_000)? })
    }
}

/// What `object` says of a quote.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum QuoteObject {
    /// A quote.
    Quote,
}

/// What a call would cost now.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Quote {
    /// Always `quote`.
    pub object: QuoteObject,
    /// What would be done.
    pub task: String,
    /// The model that was asked for, when one was.
    pub model: Option<String>,
    /// Units that would be charged.
    pub quantity: i64,
    /// Their price after what was used this period, exact, as a decimal text.
    pub amount: String,
    /// Currency of `amount`.
    pub currency: String,
    /// The price in words.
    pub description: String,
    /// What a repeated image costs: `full` or `free`.
    pub cached: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Usage")]
impl QuoteApi {
    /// Price a call
    ///
    /// What the call would cost now; nothing runs and nothing is charged. Needs the scope `infer` or `usage`.
    #[oai(path = "/quote", method = "post", operation_id = "createQuote")]
    async fn quote(&self, key: Key, app: Data<&App>, body: JsonBody<QuoteRequest>) -> Result<Json<Quote>, Problem> {
        let account = &key.with_one_of(&[Scope::Infer, Scope::Usage])?.account;
        let QuoteRequest { task, model, images } = body.0;
        let task = task_of(&app.inference.vision, task, model.as_deref())?;
        let quantity = images.unwrap_or(1);
        let quotes = quote::quotes(&app.db, account, quantity, app.clock.now()).await?;
        let mut sold: Vec<&str> = quotes.iter().map(|quote| quote.task().unwrap_or("every task")).collect();
        sold.dedup();
        let unsold = || Problem::field(Code::InvalidField, "task", format!("the account's plan sells {}", sold.join(", ")));
        let name = model_of(&app.inference.vision, &task, model.as_deref(), account.id);
        let quote = quote::of(&quotes, &task, &name).ok_or_else(unsold)?;
        let amount = quote.amount.map_err(|_| Problem::field(Code::InvalidField, "images", "that many cannot be priced"))?;
        Ok(Json(Quote {
            object: QuoteObject::Quote,
            task,
            model,
            quantity,
            amount: money::nanos(amount, &quote.currency),
            currency: quote.currency.clone(),
            description: quote.description(),
            cached: quote.cached().as_str().to_owned(),
        }))
    }
}

/// The task that is priced: as named, or what the model does.
fn task_of(vision: &Vision, task: Option<String>, model: Option<&str>) -> Result<String, Problem> {
    let Some(model) = model else { return Ok(task.unwrap_or_else(|| "detect".to_owned())) };
    let models = vision.models();
    let (name, version) = model.split_once('/').map_or((model, None), |(name, version)| (name, Some(version)));
    let mut tasks = models
        .iter()
        .filter(|known| known.name == name && version.is_none_or(|version| known.version == version))
        .map(|known| known.task.as_str());
    match task {
        None => tasks.next().map(str::to_owned).ok_or_else(|| unknown(model)),
        Some(task) if tasks.any(|does| does == task) => Ok(task),
        Some(_) => Err(unknown(model)),
    }
}

/// The model whose price counts: the one that was asked for, or that answers who names none.
fn model_of(vision: &Vision, task: &str, model: Option<&str>, account: AccountId) -> String {
    let known = vision.models().iter().map(|model| model.task).find(|known| known.as_str() == task);
    let route = known.and_then(|task| vision.route(task, model, account.0.as_u128()).ok());
    route.map(|route| route.model().name.clone()).unwrap_or_default()
}

fn unknown(model: &str) -> Problem {
    Problem::new(Code::UnknownModel, format!("There is no model {model:?} for this. {}", Code::UnknownModel.about().advice))
}
