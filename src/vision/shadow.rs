//! The same picture through another model, after the answer and for nobody: to see how it would have answered.
//!
//! Only with capacity that nobody else wants: a core that is free, a device that computes nothing and has nothing waiting.
//! Where several threads compute, a call that comes meanwhile finds another thread; where there is one, it waits for at
//! most this one picture.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    Classified, Detection, Findings, InferError, Options, Picture, loaded::Loaded, pool::CpuPool, postprocess::nms::overlap, preprocess,
    tasks,
};

/// Pictures that wait to be compared, over all models: each holds its pixels.
const WAITING: usize = 8;
/// How long one waits for an idle moment.
const PATIENCE: Duration = Duration::from_secs(10);
/// Boxes of one class that overlap at least this much are the same thing, 0 to 1.
const SAME: f32 = 0.5;

/// What runs behind the answers; clones share it.
#[derive(Clone, Debug)]
pub struct Shadows {
    places: Arc<Semaphore>,
    pool: CpuPool,
}

/// An answer to compare with.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Who gave it, `name/version`.
    pub model: String,
    /// What was sent.
    pub picture: Picture,
    /// What was asked.
    pub options: Options,
    /// What was answered.
    pub findings: Findings,
}

impl Shadows {
    /// On the given pool.
    #[must_use]
    pub fn new(pool: CpuPool) -> Self {
        Self { places: Arc::new(Semaphore::new(WAITING)), pool }
    }

    /// Compares the answer with what `shadow` would have answered, in the background and if there is time.
    pub fn compare(&self, shadow: &Arc<Loaded>, answered: Answered) {
        let (model, of) = (answered.model.clone(), shadow.info.id());
        let count = move |outcome| {
            metrics::counter!("lensmeter_shadow_runs_total", "model" => model.clone(), "shadow" => of.clone(), "outcome" => outcome)
                .increment(1);
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return count("skipped") };
        let (pool, shadow) = (self.pool.clone(), Arc::clone(shadow));
        tokio::spawn(async move {
            count(run(&pool, &shadow, answered).await);
            drop(place);
        });
    }
}

/// What became of it, for the metrics.
async fn run(pool: &CpuPool, shadow: &Loaded, answered: Answered) -> &'static str {
    let started = Instant::now();
    let Answered { model, picture, options, findings } = answered;
    let input = shadow.info.input;
    let Ok(prepared) = pool.run_idle(move || preprocess::prepare(&picture, &input)).await else { return "skipped" };
    let (output, timing) = match shadow.queue.infer_idle(prepared.frame.clone(), started + PATIENCE).await {
        Ok(computed) => computed,
        Err(InferError::Failed(_)) => return "failed",
        Err(_) => return "skipped",
    };
    let info = Arc::clone(&shadow.info);
    let Ok(Ok(own)) = pool.run(move || tasks::findings(&info, &output, &prepared, &options)).await else { return "failed" };
    let names = [("model", model), ("shadow", shadow.info.id())];
    metrics::histogram!("lensmeter_shadow_agreement_ratio", &names).record(f64::from(agreement(&findings, &own)));
    metrics::histogram!("lensmeter_shadow_seconds", &names).record(timing.infer.as_secs_f64());
    "compared"
}

/// How far two answers say the same, 0 to 1: the share of boxes that both have (F1), the same first class, the cosine.
#[must_use]
pub fn agreement(a: &Findings, b: &Findings) -> f32 {
    match (a, b) {
        (Findings::Detections(a), Findings::Detections(b)) => same_boxes(a, b),
        (Findings::Classes(a), Findings::Classes(b)) => {
            let first = |all: &[Classified]| all.first().map(|one| one.class.clone());
            f32::from(u8::from(first(a) == first(b)))
        }
        (Findings::Embedding(a), Findings::Embedding(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>().clamp(0., 1.)
        }
        _ => 0.,
    }
}

fn rect(one: &Detection) -> [f32; 4] {
    [one.xmin, one.ymin, one.xmax, one.ymax]
}

fn same_boxes(a: &[Detection], b: &[Detection]) -> f32 {
    if a.is_empty() && b.is_empty() {
        return 1.;
    }
    let mut free: Vec<&Detection> = b.iter().collect();
    let mut both = 0;
    for one in a {
        let same = |other: &&Detection| other.class == one.class && overlap(rect(one), rect(other)).0 >= SAME;
        if let Some(index) = free.iter().position(same) {
            free.swap_remove(index);
            both += 1;
        }
    }
    2. * both as f32 / (a.len() + b.len()) as f32
}
