//! `/app/playground`: one image through the real, metered call, and what was found on the picture. Without scripts the page
//! is rendered with an overlay; with them `static/playground.js` asks for the JSON and draws it.

mod call;
mod sent;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::header;
use poem::web::{Data, Multipart};
use poem::{IntoResponse as _, Request, Response, handler};

use self::call::Refusal;
use self::sent::Sent;
use super::error::PortalError;
use super::overlay::{self, Overlay, Shown};
use super::{prices, show};
use crate::app::App;
use crate::billing::overview::{PriceView, overview};
use crate::inference::Answer;
use crate::platform::secret;
use crate::vision::{Task, Vision};
use crate::web::page::{Page, Shell};
use crate::web::request_id::ThisRequest;
use crate::web::session::SignedInMember;
use crate::web::{assets, csrf};

/// Calls of this page are metered under a key of this name, which nobody has the secret of.
pub const KEY_NAME: &str = "Playground";
/// The picture for who has none at hand.
const SAMPLE: &str = "samples/label.png";
const CONFIDENCES: [&str; 4] = ["0.25", "0.40", "0.60", "0.80"];

#[derive(Template)]
#[template(path = "portal/playground.html")]
struct PlaygroundPage {
    shell: Shell,
    balance: String,
    /// What one image costs, by what is done with it.
    prices: Vec<(String, String)>,
    models: Vec<Choice>,
    has_sample: bool,
    sample: String,
    confidences: [&'static str; 4],
    confidence: String,
    /// One per page: sending the same form again is answered again, free.
    once: String,
    problem: String,
    top_up: bool,
    result: Option<Outcome>,
}

/// A model that can be chosen.
struct Choice {
    name: String,
    task: Task,
    selected: bool,
}

impl Choice {
    /// What it does, in a few words.
    fn does(&self) -> &'static str {
        match self.task {
            Task::Detect => "finds objects",
            Task::Classify => "says what the image shows",
            Task::Embed => "gives a vector",
        }
    }
}

/// Every model once, those that find objects first; the one of this name is selected, or the first.
fn choices(vision: &Vision, selected: &str) -> Vec<Choice> {
    let models = vision.models();
    let mut names: Vec<(Task, &str)> = models.iter().map(|model| (model.task, model.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let place = names.iter().position(|(_, name)| *name == selected).unwrap_or(0);
    let choice = |(index, (task, name)): (usize, (Task, &str))| Choice { name: name.to_owned(), task, selected: index == place };
    names.into_iter().enumerate().map(choice).collect()
}

/// What a call came to, on the picture.
struct Outcome {
    picture: String,
    overlay: Overlay,
    json: String,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    Ok(page(&app, me, &Sent::default(), None, None).await?.into_response())
}

/// Runs the call. The answer is JSON for who asks for it, else the page with what was found.
#[handler]
pub async fn post(
    request: &Request,
    app: Data<&App>,
    me: SignedInMember,
    ThisRequest(id): ThisRequest,
    form: Multipart,
) -> poem::Result<Response> {
    let mut sent = sent::read(form).await?;
    csrf::check_token(&app, request, Some(&sent.form_token))?;
    if sent.sample {
        sent.image = assets::bytes(SAMPLE).unwrap_or_default();
        sent.content_type = "image/png".to_owned();
    }
    let outcome = call::run(&app, &me, &sent, id).await?;
    if request.header(header::ACCEPT).is_some_and(|accept| accept.contains("application/json")) {
        return Ok(json(outcome));
    }
    Ok(match outcome {
        Ok(answer) => {
            let data = format!("data:{};base64,{}", picture_type(&sent.content_type), STANDARD.encode(&sent.image));
            let overlay = overlay::of(&answer.body).map_err(PortalError::internal)?;
            let json = pretty(&answer.body);
            page(&app, me, &sent, None, Some(Outcome { picture: data, overlay, json })).await?.into_response()
        }
        Err(refusal) => {
            let status = refusal.status;
            page(&app, me, &sent, Some(refusal), None).await?.with(status)
        }
    })
}

fn json(outcome: Result<Answer, Refusal>) -> Response {
    let response = Response::builder().header(header::CACHE_CONTROL, "no-store").content_type("application/json");
    match outcome {
        Ok(answer) => response.body(answer.body),
        Err(Refusal { status, text, top_up }) => {
            response.status(status).body(serde_json::json!({ "problem": text, "top_up": top_up }).to_string())
        }
    }
}

fn pretty(body: &[u8]) -> String {
    let value = serde_json::from_slice::<serde_json::Value>(body).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_default()
}

/// Only picture types reach the page's `data:` address, whatever the upload called itself.
fn picture_type(content_type: &str) -> &str {
    if matches!(content_type, "image/png" | "image/webp") { content_type } else { "image/jpeg" }
}

async fn page(
    app: &App,
    me: SignedInMember,
    sent: &Sent,
    refusal: Option<Refusal>,
    result: Option<Outcome>,
) -> Result<Page<PlaygroundPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let state = overview(&app.db, &account).await?.ok_or_else(PortalError::unsubscribed)?;
    let models = choices(&app.inference.vision, &sent.model);
    let offered = |price: &&PriceView| price.task.as_deref().is_none_or(|task| models.iter().any(|model| model.task.as_str() == task));
    let price = |price: &PriceView| {
        (price.description.clone(), prices::rows(&price.description, price.meter, &price.rate, &account.currency)[0].unit.clone())
    };
    Ok(Page(PlaygroundPage {
        shell,
        balance: show::nanos(state.remaining, &account.currency),
        prices: state.prices.iter().filter(offered).map(price).collect(),
        models,
        has_sample: assets::bytes(SAMPLE).is_some(),
        sample: assets::asset(SAMPLE),
        confidences: CONFIDENCES,
        confidence: if sent.confidence.is_empty() { CONFIDENCES[1].to_owned() } else { sent.confidence.clone() },
        once: secret::token(),
        top_up: refusal.as_ref().is_some_and(|refusal| refusal.top_up),
        problem: refusal.map(|refusal| refusal.text).unwrap_or_default(),
        result,
    }))
}
