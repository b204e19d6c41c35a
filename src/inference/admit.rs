//! What is asked before a call begins: whether there is room for one more, and whether the key may use the model.

use std::num::NonZeroU32;

use super::{Inference, InferenceError};
use crate::auth::key::Caller;
use crate::metering::rate::{Counted, Quota, Refusal, Subjects};

/// What an account is allowed whose plan cannot be read: its calls are refused for that, but not faster than this.
const UNKNOWN_PLAN: NonZeroU32 = NonZeroU32::new(60).expect("sixty is not zero");

/// Counts a call of this key. Every surface does so once, as soon as it knows who calls; work that was submitted is not
/// counted again when it runs.
pub async fn count(inference: &Inference, caller: &Caller) -> Counted {
    let pace = match inference.allowances.pace_of(&inference.db, caller.account.id).await {
        Ok(pace) => pace.unwrap_or(UNKNOWN_PLAN),
        Err(error) => {
            tracing::warn!(%error, "the plan of an account cannot be read");
            UNKNOWN_PLAN
        }
    };
    let own = caller.key.requests_per_minute.and_then(|pace| NonZeroU32::new(pace.unsigned_abs()));
    let account = (caller.account.id, Quota::of_plan(pace));
    inference.metering.rate.count(Subjects { account, key: own.map(|own| (caller.key.id, Quota::of_key(own))) }).await
}

/// Refuses a model that is not on the key's list.
///
/// # Errors
/// [`InferenceError::ModelNotAllowed`], naming those that are.
pub(super) fn model(caller: &Caller, model: &str) -> Result<(), InferenceError> {
    if caller.may_use(model) {
        return Ok(());
    }
    let allowed = caller.models().unwrap_or_default().join(", ");
    Err(InferenceError::ModelNotAllowed(format!("the key may not use the model {model:?}, only {allowed}")))
}

/// Refuses a list of models with a name that none has: it would lock a key out of every model.
///
/// # Errors
/// With a sentence that names those there are.
pub fn check_models(inference: &Inference, names: &[String]) -> Result<(), String> {
    let models = inference.vision.models();
    let unknown = names.iter().find(|name| !models.iter().any(|model| model.name == **name));
    let Some(unknown) = unknown else { return Ok(()) };
    let mut all: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    Err(format!("there is no model {unknown:?}; known: {}", all.join(", ")))
}

impl From<Refusal> for InferenceError {
    fn from(refusal: Refusal) -> Self {
        Self::RateLimited { retry_after: refusal.wait, policy: refusal.policy }
    }
}
