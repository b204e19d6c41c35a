//! Serves vision models: bytes in, things found out. Knows no database, no account and no price.
//!
//! One call reads left to right: [`routing`] (which models) → [`ask`] (an equal file ends here) → [`decode`] → [`cache`] (an equal call ends here) →
//! [`preprocess`] → [`batcher`] → [`backend`] ([`torch`]) → [`postprocess`] → [`tasks`], and behind the answer [`shadow`].
//! [`registry`] reads a model's folder, [`loaded`] puts it onto the device, [`folder`] does so again when it changes;
//! [`pool`] bounds the work beside the device, [`train`] makes the built-in model. Only `torch` and `train` name tch:
//! everything else builds and is tested without libtorch.

mod ask;
mod attempt;
pub mod backend;
pub mod batcher;
pub mod cache;
pub mod decode;
mod folder;
pub mod lanes;
mod line;
pub mod loaded;
mod look;
pub mod pool;
pub mod postprocess;
pub mod preprocess;
pub mod registry;
pub mod routing;
pub mod settings;
pub mod shadow;
pub mod tasks;
pub mod torch;
pub mod train;

use std::{
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

pub use ask::AskError;
pub use decode::{DecodeError, DecodeLimits, Picture, Size, Target};
pub use lanes::{InferError, Lane, Timing};
pub use registry::{ModelInfo, OpenError, Task};
pub use routing::{Route, Routing, UnknownModel};
pub use settings::Settings;
pub use tasks::{
    Findings, Options,
    classify::{Classified, ClassifyOptions},
    detect::{DetectOptions, Detection},
};

use backend::Backend;
use batcher::Batcher;
use cache::{Cache, Found, Key};
use folder::{Folder, Shelf};
use loaded::{Loaded, Loader};
use pool::{CpuPool, PoolError};
use routing::Catalog;
use shadow::{Answered, Shadows};

/// The models of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Vision {
    shelf: Shelf,
    /// None where the models are no files.
    folder: Option<Arc<folder::Watched>>,
    cache: Cache,
    pool: CpuPool,
    shadows: Shadows,
    limits: DecodeLimits,
}

/// Where an answer comes from: each has its price rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model ran for this call.
    Computed,
    /// An equal call of the account was in flight: the model ran once for both.
    Joined,
    /// An equal call of the account was answered before.
    Cached,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The model that answered: the route's fallback where the first could not.
    pub model: Arc<ModelInfo>,
    /// Of the picture, as sent.
    pub size: Size,
    /// What it found.
    pub findings: Findings,
    /// Where the time went; all zero but decoding when nothing was computed for this call.
    pub timing: Timing,
    /// Whether the model ran for it.
    pub source: Source,
}

/// What the operator is told of a version.
#[derive(Clone, Debug)]
pub struct ModelState {
    /// `name/version`, or what else the problem is with: the folder, the routing file.
    pub id: String,
    /// It answers calls.
    pub serving: bool,
    /// Why the folder's state is not what serves.
    pub problem: Option<String>,
    /// Memory of its weights.
    pub bytes: u64,
    /// Calls that wait for it.
    pub waiting: usize,
}

impl Vision {
    /// Loads every model below `folder` onto `device`, without keeping answers or watching for changes: for a command
    /// that ends. A forward pass on a CPU uses `threads`.
    ///
    /// # Errors
    /// As [`Vision::start`].
    pub fn open(folder: &Path, device: &str, threads: usize) -> Result<Self, OpenError> {
        let settings = Settings { models: folder.to_owned(), ..Settings::default() };
        Self::start_with(&settings, Loader::torch(device, threads, 1)?)
    }

    /// Loads every model, and again what changes.
    ///
    /// # Errors
    /// When a model or the routing file is wrong, or the device is not here: the start stops rather than serve half.
    pub fn start(settings: &Settings) -> Result<Self, OpenError> {
        let loader = Loader::torch(&settings.device, settings.threads, settings.workers)?;
        Self::start_with(settings, loader)
    }

    /// The same with another way to load.
    ///
    /// # Errors
    /// As [`Vision::start`].
    pub fn start_with(settings: &Settings, loader: Loader) -> Result<Self, OpenError> {
        let batcher = Batcher::start(loader.threads()).map_err(|error| OpenError::Thread("any model".into(), error))?;
        let shelf = Shelf::default();
        let folder = Folder::open(&settings.models, loader, settings.memory, &batcher, Arc::clone(&shelf))?;
        let watched = folder.watch(settings.poll).map_err(|error| OpenError::Thread("the models' folder".into(), error))?;
        Ok(Self { folder: Some(Arc::new(watched)), ..Self::over(shelf, settings) })
    }

    /// Models that are computed elsewhere, on one thread; for tests.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn with_backends(models: Vec<(ModelInfo, Box<dyn Backend>)>) -> Result<Self, OpenError> {
        let batcher = Batcher::start(1).map_err(|error| OpenError::Thread("any model".into(), error))?;
        let load = |(info, backend): (ModelInfo, Box<dyn Backend>)| {
            let bytes = backend.bytes();
            Arc::new(Loaded::new(info, vec![backend], bytes, &batcher))
        };
        let mut models: Vec<_> = models.into_iter().map(load).collect();
        routing::sort(&mut models);
        let shelf = Shelf::default();
        *shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Catalog { models, ..Catalog::default() });
        Ok(Self::over(shelf, &Settings::default()))
    }

    fn over(shelf: Shelf, settings: &Settings) -> Self {
        let pool = CpuPool::new();
        let cache = Cache::new(settings.cache, settings.cache_life);
        Self { shelf, folder: None, cache, shadows: Shadows::new(pool.clone()), pool, limits: DecodeLimits::default() }
    }

    /// Takes other limits on bytes and pixels of a picture.
    #[must_use]
    pub fn with_limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps answers of at most `bytes` for `life`; those that were kept are forgotten.
    #[must_use]
    pub fn with_cache(mut self, bytes: u64, life: Duration) -> Self {
        self.cache = Cache::new(bytes, life);
        self
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every model and version, by name, then the newest version first.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<ModelInfo>> {
        self.catalog().models.iter().map(|model| Arc::clone(&model.info)).collect()
    }

    /// What serves, what is refused and why.
    #[must_use]
    pub fn states(&self) -> Vec<ModelState> {
        self.catalog().states()
    }

    /// Looks at the folder once, as happens by itself every `poll`.
    pub async fn refresh(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let _done = tokio::task::spawn_blocking(move || folder.refresh()).await;
    }

    /// Looks at the folder now, and tries again what was refused; returns when what is there is loaded.
    pub async fn reload(&self) {
        let Some(folder) = self.folder.clone() else { return };
        // A panic there was reported by its thread; what serves goes on.
        let _done = tokio::task::spawn_blocking(move || folder.reload()).await;
    }

    /// The models of a call: `name`, `name/version`, or the task's default when none is named.
    ///
    /// # Errors
    /// When there is none; the message names those that there are.
    pub fn route(&self, task: Task, name: Option<&str>, account: u128) -> Result<Route, UnknownModel> {
        self.catalog().route(task, name, account)
    }

    /// Decodes a picture on the CPU pool, as large as the models of the route need it; for a call that may be answered by an
    /// earlier one, its pixels are hashed there too.
    ///
    /// # Errors
    /// [`DecodeError`]; `Overloaded` comes before any work is done.
    pub async fn decode(&self, route: &Route, bytes: Bytes, lane: Lane) -> Result<Picture, DecodeError> {
        route.room().map_err(|retry_after| DecodeError::Overloaded { retry_after })?;
        let (limits, target) = (self.limits, route.target());
        let work = move || {
            let mut picture = decode::decode(&bytes, &limits, target)?;
            if !lane.fresh {
                picture.digest = Some(cache::pixels(&picture));
            }
            Ok(picture)
        };
        let decoded = self.pool.try_run(work).await;
        decoded.unwrap_or_else(|error| {
            Err(match error {
                PoolError::Full => DecodeError::Overloaded { retry_after: std::time::Duration::from_secs(1) },
                PoolError::Failed => DecodeError::Unavailable,
            })
        })
    }

    /// Asks the models of a route about a picture. Dropping the future takes it out of the queue.
    ///
    /// # Errors
    /// [`InferError`], of the first model when its fallback cannot answer either.
    pub async fn infer(
        &self,
        route: &Route,
        picture: &Picture,
        options: &Options,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Inferred, InferError> {
        let mut answer = self.answer(&route.model, picture, options, lane, deadline).await;
        if let (Err(error @ (InferError::Overloaded { .. } | InferError::Failed(_))), Some(fallback)) = (&answer, &route.fallback) {
            let reason = if matches!(error, InferError::Failed(_)) { "failed" } else { "overloaded" };
            metrics::counter!("lensmeter_fallbacks_total", "model" => route.model.info.id(), "reason" => reason).increment(1);
            if let Ok(inferred) = self.answer(fallback, picture, options, lane, deadline).await {
                answer = Ok(inferred);
            }
        }
        let inferred = answer?;
        if inferred.source == Source::Computed {
            for shadow in &route.shadows {
                let (picture, options, findings) = (picture.clone(), options.clone(), inferred.findings.clone());
                self.shadows.compare(shadow, Answered { model: inferred.model.id(), picture, options, findings });
            }
        }
        Ok(inferred)
    }

    /// One model's answer, kept or computed.
    async fn answer(
        &self,
        model: &Arc<Loaded>,
        picture: &Picture,
        options: &Options,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Inferred, InferError> {
        let run = || self.compute(model, picture, options, lane, deadline);
        let (found, source) = if lane.fresh {
            (Arc::new(run().await?), Source::Computed)
        } else {
            let hashed = picture.clone();
            let pixels = match picture.digest {
                Some(digest) => digest,
                None => self.pool.run(move || cache::pixels(&hashed)).await.map_err(|_| broken("reading the picture"))?,
            };
            self.cache.answer(Key::new(lane, model.id, &pixels, options), deadline, run).await?
        };
        let timing = if source == Source::Computed { found.timing } else { Timing::default() };
        let (size, timing) = (picture.size(), Timing { decode: picture.decode, ..timing });
        Ok(Inferred { model: Arc::clone(&model.info), size, findings: found.findings.clone(), timing, source })
    }

    async fn compute(
        &self,
        model: &Arc<Loaded>,
        picture: &Picture,
        options: &Options,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Found, InferError> {
        let (picture, input) = (picture.clone(), model.info.input);
        let prepared = self.pool.run(move || preprocess::prepare(&picture, &input)).await;
        let prepared = prepared.map_err(|_| broken("preparing the picture"))?;
        let (output, timing) = model.queue.infer(prepared.frame.clone(), lane, deadline).await?;
        let (info, options) = (Arc::clone(&model.info), options.clone());
        let found = self.pool.run(move || tasks::findings(&info, &output, &prepared, &options)).await;
        let findings = found.map_err(|_| broken("reading the output"))?.map_err(InferError::Failed)?;
        Ok(Found { findings, timing })
    }
}

fn broken(what: &str) -> InferError {
    InferError::Failed(format!("{what} failed"))
}
