//! One call: admit → decode → infer → commit → answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use entity::account::Standing;
use entity::ids::{EventId, InferenceId, RequestId};

use super::answer::Draft;
use super::{Answer, Inference, InferenceError, ServerTiming};
use crate::auth::key::Caller;
use crate::billing::allowance::{Admission, AllowanceError};
use crate::billing::rating;
use crate::metering::idempotency::Begun;
use crate::metering::limits::Hold;
use crate::metering::{Committed, Record, Rejected, Usage};
use crate::vision::{Inferred, Lane, Options, Picture};

/// From admission to the end of inference; a lease outlives it.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a call is admitted again because its period was closed under it. Once is the rule; twice is a clock that is
/// being moved.
const ADMISSIONS: usize = 3;

/// The image of a call.
#[derive(Debug, Clone)]
pub enum ImageSource {
    /// The file as it came.
    Bytes(Bytes),
    /// Where it is to be fetched from.
    Url(String),
}

/// A call that someone asks for.
pub struct InferRequest {
    pub image: ImageSource,
    /// The task's default when none is named.
    pub model: Option<String>,
    /// They say which task it is.
    pub options: Options,
    pub idempotency: Option<Idempotency>,
    pub request_id: RequestId,
    pub route: &'static str,
}

/// The `Idempotency-Key` of a request, and what tells its body from another.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    pub fingerprint: [u8; 32],
}

/// Runs a call. `Ok` only after its usage is committed.
///
/// # Errors
/// See [`InferenceError`]; nothing is charged then.
pub async fn infer(inference: &Inference, caller: &Arc<Caller>, request: InferRequest) -> Result<Answer, InferenceError> {
    let now = inference.clock.now();
    if caller.account.standing == Standing::Suspended {
        return Err(InferenceError::Suspended);
    }
    // Held until the end: a second call with the key waits outside meanwhile.
    let _running = match &request.idempotency {
        None => None,
        Some(Idempotency { key, fingerprint }) => {
            match inference.metering.idempotency.begin(caller.account.id, key, request.route, fingerprint, now).await? {
                Begun::Replay(body) => return Ok(replay(body)),
                Begun::First(running) => Some(running),
            }
        }
    };
    let task = request.options.task();
    let lane = Lane { account: caller.account.id.0.as_u128(), weight: 1 };
    let route = inference.vision.route(task, request.model.as_deref(), lane.account);
    let route = route.map_err(|_| InferenceError::UnknownModel(request.model.clone().unwrap_or_else(|| "default".into())))?;
    let (admission, hold) = admit(inference, caller, task).await?;
    if let Some(per_minute) = std::num::NonZeroU32::new(admission.requests_per_minute) {
        let counted = inference.metering.rate.count(caller.account.id, per_minute);
        counted.map_err(|retry_after| InferenceError::RateLimited { retry_after })?;
    }
    let deadline = Instant::now() + DEADLINE;
    let ImageSource::Bytes(image) = &request.image else { unimplemented!("helper A wires inference::fetch") };
    let picture = inference.vision.decode(image.clone()).await?;
    let inferred = inference.vision.infer(&route, &picture, &request.options, lane, deadline).await?;
    let timing =
        ServerTiming { decode: picture.decode, queue: inferred.timing.queue, infer: inferred.timing.infer, commit: Duration::ZERO };
    let draft = Arc::new(Draft {
        id: InferenceId::new(),
        created: now.timestamp(),
        picture,
        inferred,
        currency: admission.currency.clone(),
    });
    commit(inference, caller, &request, admission, hold, draft, timing).await
}

fn replay(body: Vec<u8>) -> Answer {
    Answer { body: body.into(), replayed: true, timing: ServerTiming::default() }
}

/// What the call costs at worst, reserved.
async fn admit(inference: &Inference, caller: &Caller, task: crate::vision::Task) -> Result<(Arc<Admission>, Hold), InferenceError> {
    let now = inference.clock.now();
    let priced = inference.allowances.price_of(&inference.db, &caller.account, task.as_str(), now).await;
    let admission = priced.map_err(|error| match error {
        AllowanceError::NoPlan | AllowanceError::NoPrice(_) => InferenceError::NotInPlan(error.to_string()),
        AllowanceError::Database(error) => {
            tracing::warn!(%error, "prices cannot be read");
            InferenceError::Unavailable("the price cannot be looked up now: nothing was charged")
        }
    })?;
    let worst = admission.worst(1).map_err(|_| InferenceError::Internal)?;
    let hold = inference.metering.limits.reserve(caller.account.id, worst).await?;
    Ok((admission, hold))
}

async fn commit(
    inference: &Inference,
    caller: &Arc<Caller>,
    request: &InferRequest,
    mut admission: Arc<Admission>,
    mut hold: Hold,
    draft: Arc<Draft>,
    mut timing: ServerTiming,
) -> Result<Answer, InferenceError> {
    let started = Instant::now();
    for _ in 0..ADMISSIONS {
        let usage = usage(inference, caller, request, &admission, hold, &draft);
        match inference.metering.writer.commit(usage).await {
            Ok(committed) => {
                timing.commit = started.elapsed();
                observe(&timing);
                return Ok(Answer { body: draft.render(&committed).into(), replayed: false, timing });
            }
            Err(Rejected::PeriodClosed) => {
                let task = request.options.task();
                inference.allowances.forget(caller.account.id, task.as_str()).await;
                (admission, hold) = admit(inference, caller, task).await?;
            }
            Err(Rejected::Duplicate) => return first_answer(inference, caller, request).await,
            Err(Rejected::Fenced | Rejected::Unavailable) => break,
        }
    }
    Err(InferenceError::Unavailable("the usage could not be recorded, so there is no answer and no charge"))
}

fn usage(
    inference: &Inference,
    caller: &Arc<Caller>,
    request: &InferRequest,
    admission: &Admission,
    hold: Hold,
    draft: &Arc<Draft>,
) -> Usage {
    let Inferred { model, timing, .. } = &draft.inferred;
    let Picture { width, height, .. } = &draft.picture;
    let tiers = admission.tiers.clone();
    let now = inference.clock.now();
    Usage {
        event: EventId::new(),
        account: caller.account.id,
        key: caller.key.id,
        period: admission.period_id,
        price: admission.price_id,
        task: request.options.task().as_str(),
        model: model.name.clone(),
        model_version: model.version.clone(),
        request: request.request_id,
        quantity: 1,
        pixels: i64::from(*width) * i64::from(*height),
        // Centuries of device time would be needed to leave i64.
        compute_us: timing.compute.as_micros() as i64,
        at: caller.account.now(now),
        charge: Arc::new(move |before, quantity| rating::charge(&tiers, before, quantity)),
        hold,
        record: request.idempotency.clone().map(|Idempotency { key, fingerprint }| {
            let draft = draft.clone();
            Record { key, route: request.route, fingerprint, now, render: Box::new(move |committed: &Committed| draft.render(committed)) }
        }),
    }
}

/// Another replica committed the same key first: its answer is the answer.
async fn first_answer(inference: &Inference, caller: &Caller, request: &InferRequest) -> Result<Answer, InferenceError> {
    let Some(Idempotency { key, fingerprint }) = &request.idempotency else { return Err(InferenceError::Internal) };
    let now = inference.clock.now();
    let stored = inference.metering.idempotency.stored(caller.account.id, key, request.route, fingerprint, now).await?;
    stored.map(replay).ok_or(InferenceError::IdempotencyConflict)
}

fn observe(timing: &ServerTiming) {
    let ServerTiming { decode, queue, infer, commit } = timing;
    for (stage, time) in [("decode", decode), ("queue", queue), ("infer", infer), ("commit", commit)] {
        metrics::histogram!("lensmeter_inference_seconds", "stage" => stage).record(time.as_secs_f64());
    }
}
