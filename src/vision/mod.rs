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
pub use tasks::detect::{DetectOptions, Detected, Detection};

use backend::Backend;
use batcher::Batcher;
use pool::CpuPool;

/// The models of this process, loaded; cheap to clone.
#[derive(Clone, Debug)]
pub struct Vision {
    models: Arc<[Loaded]>,
    pool: CpuPool,
    limits: DecodeLimits,
}

#[derive(Debug)]
struct Loaded {
    info: Arc<ModelInfo>,
    batcher: Batcher,
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
            Ok(Loaded { info: Arc::new(info), batcher })
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
    pub fn find(&self, task: Task, name: Option<&str>) -> Result<Arc<ModelInfo>, UnknownModel> {
        let (wanted, version) = match name.map(|name| name.split_once('/').unwrap_or((name, ""))) {
            Some((name, version)) => (Some(name), version),
            None => (None, ""),
        };
        let mut of_task = self.models.iter().map(|model| &model.info).filter(|info| info.task == task);
        let fits = |info: &&Arc<ModelInfo>| wanted.is_none_or(|name| info.name == name) && (version.is_empty() || info.version == version);
        of_task.find(fits).cloned().ok_or_else(|| {
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

    /// Finds things on a picture. `lane` is whose call it is, for fairness; dropping the future takes it out of the queue.
    ///
    /// # Errors
    /// [`InferError`].
    pub async fn detect(
        &self,
        model: &ModelInfo,
        picture: &Picture,
        options: &DetectOptions,
        lane: u128,
        deadline: Instant,
    ) -> Result<Detected, InferError> {
        let same = |loaded: &&Loaded| loaded.info.name == model.name && loaded.info.version == model.version;
        let loaded = self.models.iter().find(same).ok_or_else(|| InferError::Failed("the model is not loaded".into()))?;
        let broken = || InferError::Failed("preparing the picture failed".into());
        let (picture, max_side) = (picture.clone(), model.max_side);
        let prepared = self.pool.run(move || preprocess::prepare(&picture, max_side)).await.ok_or_else(broken)?;
        let (maps, timing) = loaded.batcher.infer(prepared.frame.clone(), lane, deadline).await?;
        let (info, options) = (Arc::clone(&loaded.info), options.clone());
        let found = self.pool.run(move || tasks::detect::detections(&info, &maps, &prepared, &options)).await;
        let detections = found.ok_or_else(|| InferError::Failed("reading the maps failed".into()))?;
        Ok(Detected { detections, timing, cached: false })
    }

    /// Frames waiting for each model, for the metrics.
    #[must_use]
    pub fn waiting(&self) -> Vec<(Arc<ModelInfo>, usize)> {
        self.models.iter().map(|model| (Arc::clone(&model.info), model.batcher.waiting())).collect()
    }
}
