//! `/app/playground`: one image through the real, metered call, and its boxes on the picture. Without scripts the page is
//! rendered with an overlay; with them `static/playground.js` asks for the JSON and draws it.

use std::sync::Arc;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::ids::RequestId;
use entity::{account, api_key, member};
use poem::http::{StatusCode, header};
use poem::web::{Data, Multipart};
use poem::{IntoResponse as _, Request, Response, handler};
use sea_orm::DatabaseConnection;
use tokio::io::AsyncReadExt as _;

use super::error::PortalError;
use super::overlay::{self, Overlay};
use super::show;
use crate::app::App;
use crate::auth::key::{self, Caller, CreateKeyError, Scope};
use crate::billing::overview::overview;
use crate::inference::run::{self, Idempotency, ImageSource, InferRequest};
use crate::inference::{Answer, InferenceError};
use crate::platform::secret;
use crate::vision::{DetectOptions, Options};
use crate::web::page::{Page, Shell};
use crate::web::request_id::ThisRequest;
use crate::web::session::SignedInMember;
use crate::web::{assets, csrf};

/// Calls of this page are metered under a key of this name, which nobody has the secret of.
pub const KEY_NAME: &str = "Playground";
/// The picture for who has none at hand.
const SAMPLE: &str = "samples/label.png";
/// The largest file the page takes; the decoder has its own limits after that.
const LARGEST: u64 = 20 * 1024 * 1024;
const CONFIDENCES: [&str; 4] = ["0.25", "0.40", "0.60", "0.80"];

#[derive(Template)]
#[template(path = "portal/playground.html")]
struct PlaygroundPage {
    shell: Shell,
    balance: String,
    price: Option<String>,
    has_sample: bool,
    sample: String,
    confidences: [&'static str; 4],
    confidence: String,
    /// One per page: sending the same form again is answered again, free.
    once: String,
    problem: String,
    top_up: bool,
    result: Option<Shown>,
}

/// What a call came to, on the picture.
struct Shown {
    picture: String,
    overlay: Overlay,
    json: String,
}

/// What the form sent.
#[derive(Default)]
struct Sent {
    image: Vec<u8>,
    content_type: String,
    form_token: String,
    once: String,
    confidence: String,
    sample: bool,
    too_large: bool,
}

/// Shows the page.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    Ok(page(&app, me, String::new(), None, None).await?.into_response())
}

/// Runs the call. The answer is JSON for who asks for it, else the page with the boxes.
#[handler]
pub async fn post(
    request: &Request,
    app: Data<&App>,
    me: SignedInMember,
    ThisRequest(id): ThisRequest,
    form: Multipart,
) -> poem::Result<Response> {
    let mut sent = read(form).await?;
    csrf::check_token(&app, request, Some(&sent.form_token))?;
    if sent.sample {
        sent.image = assets::bytes(SAMPLE).unwrap_or_default();
        sent.content_type = "image/png".to_owned();
    }
    let outcome = detect(&app, &me, &sent, id).await?;
    if request.header(header::ACCEPT).is_some_and(|accept| accept.contains("application/json")) {
        return Ok(json(outcome));
    }
    let confidence = sent.confidence.clone();
    Ok(match outcome {
        Ok(answer) => {
            let data = format!("data:{};base64,{}", picture_type(&sent.content_type), STANDARD.encode(&sent.image));
            let overlay = overlay::of(&answer.body).map_err(PortalError::internal)?;
            let json = pretty(&answer.body);
            page(&app, me, confidence, None, Some(Shown { picture: data, overlay, json })).await?.into_response()
        }
        Err(refusal) => {
            let status = refusal.status;
            page(&app, me, confidence, Some(refusal), None).await?.with(status)
        }
    })
}

/// Why there is no answer, in words for a person.
struct Refusal {
    status: StatusCode,
    text: String,
    top_up: bool,
}

impl From<InferenceError> for Refusal {
    fn from(error: InferenceError) -> Self {
        let (status, top_up) = match &error {
            InferenceError::InsufficientCredit { .. } => (StatusCode::PAYMENT_REQUIRED, true),
            InferenceError::Suspended => (StatusCode::PAYMENT_REQUIRED, false),
            InferenceError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, false),
            InferenceError::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, false),
            InferenceError::Overloaded | InferenceError::Unavailable(_) | InferenceError::Deadline => {
                (StatusCode::SERVICE_UNAVAILABLE, false)
            }
            InferenceError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, false),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, false),
        };
        let text = error.to_string();
        let mut letters = text.chars();
        let text = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default();
        Self { status, text: format!("{}. Nothing was charged.", text.trim_end_matches('.')), top_up }
    }
}

async fn detect(app: &App, me: &SignedInMember, sent: &Sent, request_id: RequestId) -> Result<Result<Answer, Refusal>, PortalError> {
    if sent.too_large {
        return Ok(Err(InferenceError::TooLarge("the file is larger than 20 MB".to_owned()).into()));
    }
    if sent.image.is_empty() {
        let text = "Choose an image first.".to_owned();
        return Ok(Err(Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, text, top_up: false }));
    }
    let key = playground_key(&app.db, &me.account, &me.member, app.clock.now()).await?;
    app.keys.note_use(key.id, app.clock.now());
    let caller = Arc::new(Caller::new(key, me.account.clone()));
    let min_confidence = sent.confidence.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    let options = Options::Detect(DetectOptions { min_confidence, ..DetectOptions::default() });
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(&secret::sha256([sent.image.as_slice(), sent.confidence.as_bytes()].concat()));
    let idempotency = (!sent.once.is_empty()).then(|| Idempotency { key: format!("playground-{}", sent.once), fingerprint });
    let image = ImageSource::Bytes(sent.image.clone().into());
    let call = InferRequest { image, model: None, options, idempotency, request_id, route: "/app/playground" };
    Ok(run::infer(&app.inference, &caller, call).await.map_err(Refusal::from))
}

/// The key that this page's calls are metered under: made with the first call.
async fn playground_key(
    db: &DatabaseConnection,
    account: &account::Model,
    member: &member::Model,
    now: entity::Time,
) -> Result<api_key::Model, PortalError> {
    let keys = key::list(db, account.id).await?;
    if let Some(key) = keys.into_iter().find(|key| key.name == KEY_NAME && key.revoked_at.is_none()) {
        return Ok(key);
    }
    // Two first calls at once make two keys; both work, and both say what they are.
    match key::create_in(db, account, Some(member.id), KEY_NAME, &[Scope::Infer], now).await {
        Ok((key, _)) => Ok(key),
        Err(CreateKeyError::Database(error)) => Err(error.into()),
        Err(error) => Err(PortalError::internal(error)),
    }
}

async fn read(mut form: Multipart) -> poem::Result<Sent> {
    let mut sent = Sent::default();
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let content_type = field.content_type().unwrap_or_default().to_owned();
        let most = if name == "image" { LARGEST } else { 1024 };
        let mut bytes = Vec::new();
        let read = field.into_async_read().take(most + 1).read_to_end(&mut bytes).await;
        read.map_err(|_| poem::Error::from_status(StatusCode::BAD_REQUEST))?;
        let too_large = bytes.len() as u64 > most;
        if name == "image" {
            (sent.image, sent.content_type, sent.too_large) = (bytes, content_type, too_large);
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            csrf::FIELD => sent.form_token = text,
            "once" => sent.once = text,
            "min_confidence" => sent.confidence = text,
            "sample" => sent.sample = true,
            _ => {}
        }
        if too_large {
            break;
        }
    }
    Ok(sent)
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
    confidence: String,
    refusal: Option<Refusal>,
    result: Option<Shown>,
) -> Result<Page<PlaygroundPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let state = overview(&app.db, &account).await?.ok_or_else(PortalError::unsubscribed)?;
    let price = state.prices.iter().find(|price| price.task == "detect").map(|price| show::nanos(price.unit, &account.currency));
    Ok(Page(PlaygroundPage {
        shell,
        balance: show::nanos(state.remaining, &account.currency),
        price,
        has_sample: assets::bytes(SAMPLE).is_some(),
        sample: assets::asset(SAMPLE),
        confidences: CONFIDENCES,
        confidence: if confidence.is_empty() { CONFIDENCES[1].to_owned() } else { confidence },
        once: secret::token(),
        top_up: refusal.as_ref().is_some_and(|refusal| refusal.top_up),
        problem: refusal.map(|refusal| refusal.text).unwrap_or_default(),
        result,
    }))
}
