//! One call: admit → fetch → decode → infer → commit → answer.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::TimeDelta;
use entity::account::Standing;
use entity::ids::{AccountId, EventId, InferenceId, RequestId};
use entity::money::Nanos;
use entity::price::Cached;
use metrics::Histogram;

use super::answer::Draft;
use super::{Answer, Encoding, Inference, InferenceError, ServerTiming, fetch};
use crate::auth::key::Caller;
use crate::billing::allowance::{Admission, AllowanceError, Measured};
use crate::metering::idempotency::{Begun, Keyed};
use crate::metering::limits::{Hold, Spender};
use crate::metering::{Committed, Record, Rejected, Usage};
use crate::platform::telemetry::own::{self, Part};
use crate::vision::{Inferred, Lane, Options, Route, Source, Task, Timing};

/// From admission to the end of inference; a lease outlives it.
pub const DEADLINE: Duration = Duration::from_secs(20);
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
    /// Of an embedding in the answer.
    pub encoding: Encoding,
    /// Nothing that was computed before will do.
    pub fresh: bool,
    pub idempotency: Option<Idempotency>,
    pub request_id: RequestId,
    pub route: &'static str,
    /// Of a job: the most it may cost, as was said when it was submitted; it was counted as a request then, too.
    pub promised: Option<Nanos>,
}

/// The `Idempotency-Key` of a request, and what tells its body from another.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    pub fingerprint: [u8; 32],
    /// How long the answer is kept.
    pub keep: TimeDelta,
}

impl Idempotency {
    /// What is known of the request that carries it.
    pub(super) fn keyed<'a>(&'a self, account: AccountId, route: &'a str, now: entity::Time) -> Keyed<'a> {
        Keyed { account, key: &self.key, route, fingerprint: &self.fingerprint, now }
    }
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
        Some(key) => match inference.metering.idempotency.begin(key.keyed(caller.account.id, request.route, now)).await? {
            Begun::Replay(body) => return Ok(replay(body)),
            Begun::First(running) => Some(running),
        },
    };
    let route = routed(inference, caller, &request)?;
    let admitting = pin!(admit(inference, caller, request.options.task(), &route.model().name, request.promised));
    let (admission, hold) = own::measured(Part::Admit, 1, admitting).await?;
    let deadline = Instant::now() + inference.deadline;
    let (bytes, fetch) = image(inference, &request.image, deadline).await?;
    let lane = Lane { account: caller.account.id.0.as_u128(), weight: admission.weight, fresh: request.fresh };
    let inferred = inference.vision.ask(&route, bytes, &request.options, lane, deadline).await?;
    let Timing { decode, queue, infer, .. } = inferred.timing;
    let timing = ServerTiming { fetch, decode, queue, infer, commit: Duration::ZERO };
    let draft = Arc::new(Draft {
        id: InferenceId::new(),
        created: now.timestamp(),
        inferred,
        encoding: request.encoding,
        currency: admission.currency.clone(),
    });
    commit(inference, caller, &request, admission, hold, draft, timing).await
}

/// The models that answer, when there are such and they can do what the options ask.
pub(super) fn routed(inference: &Inference, caller: &Caller, request: &InferRequest) -> Result<Route, InferenceError> {
    let task = request.options.task();
    let route = inference.vision.route(task, request.model.as_deref(), caller.account.id.0.as_u128());
    let route = route.map_err(|_| InferenceError::UnknownModel(no_model(inference, task, request.model.as_deref())))?;
    super::admit::model(caller, &route.model().name)?;
    let unsuited = request.options.suit(route.model());
    unsuited.map_err(|(option, expected)| InferenceError::InvalidOption { option, expected })?;
    Ok(route)
}

fn no_model(inference: &Inference, task: Task, wanted: Option<&str>) -> String {
    let models = inference.vision.models();
    let mut known: Vec<&str> = models.iter().filter(|model| model.task == task).map(|model| model.name.as_str()).collect();
    known.dedup();
    match wanted {
        _ if known.is_empty() => format!("this installation has no model for {task}"),
        Some(name) => format!("there is no model {name:?} for {task}; there are: {}", known.join(", ")),
        None => format!("no model is the default for {task}; there are: {}", known.join(", ")),
    }
}

/// The file of a call, and how long it took to fetch when it was given by its URL.
async fn image(inference: &Inference, image: &ImageSource, deadline: Instant) -> Result<(Bytes, Option<Duration>), InferenceError> {
    Ok(match image {
        ImageSource::Bytes(bytes) => (bytes.clone(), None),
        ImageSource::Url(url) => {
            let started = Instant::now();
            (Box::pin(fetch::fetch(url, inference.allow_private_images, deadline)).await?, Some(started.elapsed()))
        }
    })
}

fn replay(body: Vec<u8>) -> Answer {
    Answer { body: body.into(), replayed: true, timing: ServerTiming::default() }
}

/// What the call costs at worst, reserved.
pub(super) async fn admit(
    inference: &Inference,
    caller: &Caller,
    task: Task,
    model: &str,
    promised: Option<Nanos>,
) -> Result<(Arc<Admission>, Hold), InferenceError> {
    let admission = priced(inference, caller, task, model).await?;
    match reserve(inference, caller, &admission, promised).await {
        // Before somebody is refused, what the call may cost is read again.
        Err(InferenceError::InsufficientCredit { .. } | InferenceError::SpendCapReached { .. } | InferenceError::PriceChanged)
            if admission.is_old() =>
        {
            inference.allowances.forget(caller.account.id, task.as_str(), model).await;
            let admission = priced(inference, caller, task, model).await?;
            let hold = reserve(inference, caller, &admission, promised).await?;
            Ok((admission, hold))
        }
        reserved => Ok((admission, reserved?)),
    }
}

async fn priced(inference: &Inference, caller: &Caller, task: Task, model: &str) -> Result<Arc<Admission>, InferenceError> {
    let now = inference.clock.now();
    let priced = inference.allowances.price_of(&inference.db, &caller.account, task.as_str(), model, now).await;
    priced.map_err(|error| match error {
        AllowanceError::Database(error) => {
            tracing::warn!(%error, "prices cannot be read");
            InferenceError::Unavailable("the price cannot be looked up now: nothing was charged")
        }
        refused => InferenceError::NotInPlan(refused.to_string()),
    })
}

async fn reserve(inference: &Inference, caller: &Caller, admission: &Admission, promised: Option<Nanos>) -> Result<Hold, InferenceError> {
    let worst = admission.worst(1).map_err(|_| InferenceError::Internal)?;
    if promised.is_some_and(|promised| worst > promised) {
        return Err(InferenceError::PriceChanged);
    }
    let at = caller.account.now(inference.clock.now());
    let spender = Spender { account: caller.account.id, key: caller.key.id, period: admission.period_id, at };
    Ok(inference.metering.limits.reserve(&spender, worst).await?)
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
        let usage = usage(inference, request, &admission, hold, &draft);
        match inference.metering.writer.commit(usage).await {
            Ok(committed) => {
                timing.commit = started.elapsed();
                observe(&timing);
                return Ok(Answer { body: draft.render(&committed).into(), replayed: false, timing });
            }
            Err(Rejected::PeriodClosed | Rejected::Fenced) => {
                let task = request.options.task();
                inference.allowances.forget(caller.account.id, task.as_str(), &admission.model).await;
                (admission, hold) = admit(inference, caller, task, &admission.model, request.promised).await?;
            }
            Err(Rejected::Duplicate) => return Box::pin(first_answer(inference, caller, request)).await,
            Err(Rejected::Overloaded) => {
                return Err(InferenceError::Unavailable("too many calls wait to be recorded: nothing was charged"));
            }
            Err(Rejected::Unavailable) => break,
        }
    }
    Err(InferenceError::Unavailable("the usage could not be recorded, so there is no answer and no charge"))
}

fn usage(inference: &Inference, request: &InferRequest, admission: &Admission, hold: Hold, draft: &Arc<Draft>) -> Usage {
    let Inferred { model, size, timing, source, .. } = &draft.inferred;
    let pixels = i64::from(size.width) * i64::from(size.height);
    // Centuries of device time would be needed to leave i64.
    let compute_us = timing.compute.as_micros() as i64;
    let price = admission.price(pixels);
    let free = *source != Source::Computed && price.cached == Cached::Free;
    let measured = Measured { images: 1, compute_us, tokens_in: 0, tokens_out: 0 };
    let now = inference.clock.now();
    Usage {
        event: EventId::new(),
        price: price.price_id,
        task: request.options.task().as_str(),
        model: model.name.clone(),
        model_version: model.version.clone(),
        request: request.request_id,
        quantity: if free { 0 } else { price.quantity(&measured) },
        pixels,
        compute_us,
        charge: price.charge(),
        hold,
        record: request.idempotency.clone().map(|Idempotency { key, fingerprint, keep }| {
            let draft = draft.clone();
            let render = Box::new(move |committed: &Committed| draft.render(committed));
            Record { key, route: request.route, fingerprint, now, keep, render }
        }),
    }
}

/// Another replica committed the same key first: its answer is the answer.
async fn first_answer(inference: &Inference, caller: &Caller, request: &InferRequest) -> Result<Answer, InferenceError> {
    let Some(key) = &request.idempotency else { return Err(InferenceError::Internal) };
    let keyed = key.keyed(caller.account.id, request.route, inference.clock.now());
    let stored = inference.metering.idempotency.stored(keyed).await?;
    stored.map(replay).ok_or(InferenceError::IdempotencyConflict)
}

fn observe(timing: &ServerTiming) {
    // Looked up once and not for each call.
    static STAGES: LazyLock<HashMap<&str, Histogram>> = LazyLock::new(|| {
        let stage = |stage| (stage, metrics::histogram!("lensmeter_inference_seconds", "stage" => stage));
        ["fetch", "decode", "queue", "infer", "commit"].map(stage).into()
    });
    for (stage, time) in timing.parts() {
        if let Some(histogram) = STAGES.get(stage) {
            histogram.record(time);
        }
    }
}
