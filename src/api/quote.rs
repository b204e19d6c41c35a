//! What a call would cost now, without making it.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::auth::Key;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::Scope;
use crate::billing::{close, plan, rating};
use crate::metering::report;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct QuoteApi;

/// A call to price.
#[derive(Debug, Object)]
pub struct QuoteRequest {
    /// What would be done. Without it: `detect`.
    pub task: Option<String>,
    /// How many images, from 1 to 1,000,000. Without it: 1.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub images: Option<i64>,
}

impl FromFields for QuoteRequest {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { task: fields.text("task")?, images: fields.whole("images", 1, 1_000_000)? })
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
pub struct Quote {
    /// Always `quote`.
    pub object: QuoteObject,
    /// What would be done.
    pub task: String,
    /// Units that would be charged.
    pub quantity: i64,
    /// Their price after what was used this period, exact, as a decimal text.
    pub amount: String,
    /// Currency of `amount`.
    pub currency: String,
    /// The price in words.
    pub description: String,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Usage")]
impl QuoteApi {
    /// Price a call
    ///
    /// What the call would cost now; nothing runs and nothing is charged. Needs the scope `infer` or `usage`.
    #[oai(path = "/quote", method = "post", operation_id = "createQuote")]
    async fn quote(&self, key: Key, app: Data<&App>, body: JsonBody<QuoteRequest>) -> Result<Json<Quote>, Problem> {
        let account = &key.with_one_of(&[Scope::Infer, Scope::Usage])?.account;
        let task = body.0.task.unwrap_or_else(|| "detect".to_owned());
        let quantity = body.0.images.unwrap_or(1);
        let unsold = || Problem::field(Code::InvalidField, "task", "the account's plan does not include this task; try `detect`");
        let (version, prices) = plan::current(&app.db, account.id).await?.ok_or_else(unsold)?;
        let price = prices.into_iter().find(|price| price.task == task).ok_or_else(unsold)?;
        let before = match close::open_period(&app.db, account, app.clock.now()).await? {
            Some(period) => report::totals(&app.db, account.id, period.id).await?.quantity,
            None => 0,
        };
        let amount = rating::charge(&price.tiers, before, quantity)
            .map_err(|_| Problem::field(Code::InvalidField, "images", "that many cannot be priced"))?;
        let amount = money::nanos(amount, &version.currency);
        Ok(Json(Quote { object: QuoteObject::Quote, task, quantity, amount, currency: version.currency, description: price.description }))
    }
}
