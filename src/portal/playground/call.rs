//! The playground's call: the same as through the API, under a key of its own.

use std::sync::Arc;

use entity::ids::RequestId;
use entity::{account, api_key, member};
use poem::http::StatusCode;
use sea_orm::DatabaseConnection;

use super::KEY_NAME;
use super::sent::Sent;
use crate::app::App;
use crate::auth::key::{self, Caller, CreateKeyError, Scope};
use crate::inference::run::{self, Idempotency, ImageSource, InferRequest};
use crate::inference::{Answer, Encoding, InferenceError, admit};
use crate::metering::idempotency::LIFETIME;
use crate::platform::secret;
use crate::portal::error::PortalError;
use crate::vision::{ClassifyOptions, DetectOptions, Options, Task};
use crate::web::session::SignedInMember;

/// Why there is no answer, in words for a person.
pub struct Refusal {
    pub status: StatusCode,
    pub text: String,
    /// Credit would help.
    pub top_up: bool,
}

impl From<InferenceError> for Refusal {
    fn from(error: InferenceError) -> Self {
        let (status, top_up) = match &error {
            InferenceError::InsufficientCredit { .. } => (StatusCode::PAYMENT_REQUIRED, true),
            InferenceError::Suspended | InferenceError::SpendCapReached { .. } => (StatusCode::PAYMENT_REQUIRED, false),
            InferenceError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, false),
            InferenceError::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, false),
            InferenceError::Overloaded { .. } | InferenceError::Unavailable(_) | InferenceError::Deadline => {
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

/// Runs the call; the inner error is what the page says instead of an answer.
///
/// # Errors
/// When the key of this page can neither be found nor made.
pub async fn run(app: &App, me: &SignedInMember, sent: &Sent, request_id: RequestId) -> Result<Result<Answer, Refusal>, PortalError> {
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
    let _under_way = match admit::count(&app.inference, &caller).await.verdict {
        Ok(under_way) => under_way,
        Err(refusal) => return Ok(Err(InferenceError::from(refusal).into())),
    };
    let (model, options) = chosen(app, sent);
    let call = InferRequest {
        image: ImageSource::Bytes(sent.image.clone().into()),
        model,
        options,
        encoding: Encoding::Float,
        fresh: false,
        idempotency: idempotency(sent),
        request_id,
        route: "/app/playground",
        promised: None,
    };
    Ok(run::infer(&app.inference, &caller, call).await.map_err(Refusal::from))
}

/// The model that was chosen and the options of its task; without one, detection refuses the call.
fn chosen(app: &App, sent: &Sent) -> (Option<String>, Options) {
    let mut choices = super::choices(&app.inference.vision, &sent.model);
    let place = choices.iter().position(|choice| choice.selected);
    let choice = place.map(|place| choices.swap_remove(place));
    let options = match choice.as_ref().map(|choice| choice.task) {
        Some(Task::Classify) => Options::Classify(ClassifyOptions::default()),
        Some(Task::Embed) => Options::Embed,
        Some(Task::Detect) | None => {
            let min_confidence = sent.confidence.parse().ok().filter(|value| (0.0..=1.0).contains(value));
            Options::Detect(DetectOptions { min_confidence, ..DetectOptions::default() })
        }
    };
    (choice.map(|choice| choice.name), options)
}

fn idempotency(sent: &Sent) -> Option<Idempotency> {
    let said = serde_json::json!([sent.model, sent.confidence]).to_string();
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(&secret::sha256([said.as_bytes(), &sent.image].concat()));
    (!sent.once.is_empty()).then(|| Idempotency { key: format!("playground-{}", sent.once), fingerprint, keep: LIFETIME })
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
