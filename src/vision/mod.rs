//! Serves vision models: bytes in, things found out. Knows no database, no account and no price.
//!
//! One call reads left to right: [`decode`] → [`preprocess`] → [`batcher`] → [`backend`] ([`torch`]) → [`postprocess`] →
//! [`tasks`]. [`registry`] says which models there are, [`pool`] bounds the work beside the device, [`train`] makes the
//! built-in model. Only `torch` and `train` name tch: everything else builds and is tested without libtorch.

pub mod backend;
pub mod batcher;
pub mod decode;
pub mod pool;
pub mod postprocess;
pub mod preprocess;
pub mod registry;
pub mod tasks;
pub mod torch;
pub mod train;

use std::{path::Path, sync::Arc, time::Instant};

use bytes::Bytes;

pub use batcher::{InferError, Timing};
pub use decode::{DecodeError, DecodeLimits, Picture};
pub use registry::{ModelInfo, OpenError, Task};
pub use tasks::{
    Findings, Options,
    classify::{Classified, ClassifyOptions},
    detect::{DetectOptions, Detection},
};

use backend::Backend;
use batcher::Batcher;
use pool::CpuPool;

/// The models of this process, loaded; cheap to clone.
#[derive(Clone, Debug)]
pub struct Vision {
    models: Arc<[Arc<Loaded>]>,
    pool: CpuPool,
    limits: DecodeLimits,
}

/// A model that is ready to answer.
#[derive(Debug)]
pub struct Loaded {
    info: Arc<ModelInfo>,
    batcher: Batcher,
}

/// Which models answer a call. The models stay loaded as long as a route holds them.
#[derive(Clone, Debug)]
pub struct Route {
    model: Arc<Loaded>,
}

impl Route {
    /// The model that is asked first.
    #[must_use]
    pub fn model(&self) -> &Arc<ModelInfo> {
        &self.model.info
    }
}

/// Whose call it is, for fairness: accounts are served in turn, `weight` entries a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The account; caches are scoped to it.
    pub account: u128,
    /// Entries a round, at least 1.
    pub weight: u32,
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
    /// The model that answered.
    pub model: Arc<ModelInfo>,
    /// What it found.
    pub findings: Findings,
    /// Where the time went.
    pub timing: Timing,
    /// Whether the model ran for it.
    pub source: Source,
}

/// No model of that name does that task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model {name:?} for {task}; there are: {known}")]
pub struct UnknownModel {
    name: String,
    task: Task,
    known: String,
}

impl Vision {
    /// Loads every model below `folder` onto `device` (`auto`, `cpu`, `cuda:N`); a forward pass on a CPU uses `threads`.
    ///
    /// # Errors
    /// When a model's manifest or weights are wrong, or the device is not here: the start stops rather than serve half.
    pub fn open(folder: &Path, device: &str, threads: usize) -> Result<Self, OpenError> {
        let device = torch::device::choose(device)?;
        let mut models: Vec<(ModelInfo, Box<dyn Backend>)> = Vec::new();
        for path in registry::manifests(folder)? {
            let info = registry::read(&path)?;
            let network = torch::load::load(&info.weights, info.classes.len(), device)
                .map_err(|problems| OpenError::Weights { path: info.weights.clone(), problems })?;
            models.push((info, Box::new(torch::Torch::new(network, device, threads))));
        }
        Self::with_backends(models)
    }

    /// The same over any devices: for tests, and for models that are computed elsewhere.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn with_backends(models: Vec<(ModelInfo, Box<dyn Backend>)>) -> Result<Self, OpenError> {
        let start = |(info, backend): (ModelInfo, Box<dyn Backend>)| {
            let name = format!("{}/{}", info.name, info.version);
            let batcher = Batcher::start(&name, backend, info.limits).map_err(|e| OpenError::Thread(name, e))?;
            Ok(Arc::new(Loaded { info: Arc::new(info), batcher }))
        };
        let models = models.into_iter().map(start).collect::<Result<Vec<_>, OpenError>>()?;
        Ok(Self { models: models.into(), pool: CpuPool::new(), limits: DecodeLimits::default() })
    }

    /// Takes other limits on bytes and pixels of a picture.
    #[must_use]
    pub fn with_limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Every model and version, newest version first within a model.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<ModelInfo>> {
        self.models.iter().map(|model| Arc::clone(&model.info)).collect()
    }

    /// The model to use: `name`, `name/version`, or the first for the task when none is named.
    ///
    /// # Errors
    /// When there is none; the message names those that there are.
    pub fn route(&self, task: Task, name: Option<&str>, _account: u128) -> Result<Route, UnknownModel> {
        let (wanted, version) = match name.map(|name| name.split_once('/').unwrap_or((name, ""))) {
            Some((name, version)) => (Some(name), version),
            None => (None, ""),
        };
        let mut of_task = self.models.iter().filter(|model| model.info.task == task);
        let fits = |model: &&Arc<Loaded>| {
            wanted.is_none_or(|name| model.info.name == name) && (version.is_empty() || model.info.version == version)
        };
        of_task.find(fits).map(|model| Route { model: Arc::clone(model) }).ok_or_else(|| {
            let known: Vec<&str> = self.models.iter().filter(|m| m.info.task == task).map(|m| m.info.name.as_str()).collect();
            UnknownModel { name: name.unwrap_or_default().to_owned(), task, known: known.join(", ") }
        })
    }

    /// Decodes a picture on the CPU pool.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub async fn decode(&self, bytes: Bytes) -> Result<Picture, DecodeError> {
        let limits = self.limits;
        self.pool.run(move || decode::decode(&bytes, &limits)).await.unwrap_or(Err(DecodeError::Unavailable))
    }

    /// Asks a model about a picture. Dropping the future takes it out of the queue.
    ///
    /// # Errors
    /// [`InferError`].
    pub async fn infer(
        &self,
        route: &Route,
        picture: &Picture,
        options: &Options,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Inferred, InferError> {
        let loaded = &route.model;
        let broken = || InferError::Failed("preparing the picture failed".into());
        let (picture, input) = (picture.clone(), loaded.info.input);
        let prepared = self.pool.run(move || preprocess::prepare(&picture, &input)).await.ok_or_else(broken)?;
        let (output, timing) = loaded.batcher.infer(prepared.frame.clone(), lane.account, deadline).await?;
        let (model, options) = (Arc::clone(&loaded.info), options.clone());
        let found = self.pool.run(move || tasks::findings(&model, &output, &prepared, &options)).await;
        let findings = found.ok_or_else(|| InferError::Failed("reading the output failed".into()))?.map_err(InferError::Failed)?;
        Ok(Inferred { model: Arc::clone(&loaded.info), findings, timing, source: Source::Computed })
    }

    /// Frames waiting for each model, for the metrics.
    #[must_use]
    pub fn waiting(&self) -> Vec<(Arc<ModelInfo>, usize)> {
        self.models.iter().map(|model| (Arc::clone(&model.info), model.batcher.waiting())).collect()
    }
}
