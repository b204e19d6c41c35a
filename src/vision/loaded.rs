//! A model that is ready to answer, and how it gets from its folder onto the device.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    backend::Backend,
    batcher::{Batcher, Queue, words_of},
    registry::{self, ModelInfo, OpenError},
    torch::{Torch, device},
};

/// A model that is ready to answer. Dropping it unloads it.
#[derive(Debug)]
pub struct Loaded {
    /// No other model of this process, nor an earlier state of the same folder, has it.
    pub id: u64,
    /// What its folder says.
    pub info: Arc<ModelInfo>,
    /// What waits for it.
    pub queue: Queue,
    /// Memory of its weights on all devices.
    pub bytes: u64,
}

impl Loaded {
    /// Opens a queue before backends that have computed once.
    #[must_use]
    pub fn new(info: ModelInfo, backends: Vec<Box<dyn Backend>>, bytes: u64, batcher: &Batcher) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let queue = batcher.add(&info.id(), info.limits, backends);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), info: Arc::new(info), queue, bytes }
    }
}

/// Reads a `model.toml`.
pub type Read = dyn Fn(&Path) -> Result<ModelInfo, OpenError> + Send + Sync;
/// Puts a model onto the device of that number and computes once with it.
pub type Load = dyn Fn(&ModelInfo, usize) -> Result<Box<dyn Backend>, Vec<String>> + Send + Sync;

/// How models are read and put onto devices. Tests put other devices here.
pub struct Loader {
    /// Reads a `model.toml`.
    pub read: Box<Read>,
    /// Puts a model onto a device.
    pub load: Box<Load>,
    /// How many devices there are; a model is on all of them.
    pub devices: usize,
    /// Threads that compute on each.
    pub workers: usize,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("devices", &self.devices).field("workers", &self.workers).finish_non_exhaustive()
    }
}

impl Loader {
    /// With libtorch on `devices`: `auto`, `cpu`, `cuda:N`, or several of the last with commas.
    ///
    /// A forward pass on a CPU uses `threads`, and `workers` compute at the same time on each device: 0 for as many as
    /// there are cores on a CPU, and one on a GPU.
    ///
    /// # Errors
    /// When a device is not here.
    pub fn torch(devices: &str, threads: usize, workers: usize) -> Result<Self, OpenError> {
        let devices = devices.split(',').map(|name| device::choose(name.trim())).collect::<Result<Vec<_>, _>>()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = match workers {
            0 if devices.iter().any(|device| device.is_cuda()) => 1,
            0 => (cores / threads.max(1)).max(1),
            workers => workers,
        };
        let count = devices.len();
        let load = move |info: &ModelInfo, device: usize| -> Result<Box<dyn Backend>, Vec<String>> {
            Ok(Box::new(Torch::load(info, devices[device], threads)?))
        };
        Ok(Self { read: Box::new(registry::read), load: Box::new(load), devices: count, workers })
    }

    /// Threads in all.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.devices * self.workers
    }

    /// Loads a model for every thread of `batcher`, in at most `room` bytes.
    ///
    /// # Errors
    /// What is wrong with it, or how much room it lacks.
    pub fn open(&self, info: ModelInfo, batcher: &Batcher, room: Option<u64>) -> Result<Loaded, OpenError> {
        let fits = |needed: u64| match room {
            Some(room) if needed > room => Err(OpenError::Memory { model: info.id(), needed, room }),
            _ => Ok(()),
        };
        // The file is about what the weights will take: better refused before it is read.
        fits(std::fs::metadata(&info.weights).map_or(0, |file| file.len()).saturating_mul(self.devices as u64))?;
        let (mut backends, mut bytes) = (Vec::new(), 0);
        for device in 0..self.devices {
            let first = self.load(&info, device)?;
            bytes += first.bytes();
            for _ in 1..self.workers {
                let twin = match first.replicate() {
                    Some(twin) => twin,
                    None => {
                        let again = self.load(&info, device)?;
                        bytes += again.bytes();
                        again
                    }
                };
                backends.push(twin);
            }
            backends.push(first);
        }
        fits(bytes)?;
        Ok(Loaded::new(info, backends, bytes, batcher))
    }

    fn load(&self, info: &ModelInfo, device: usize) -> Result<Box<dyn Backend>, OpenError> {
        let panicked = |panic: Box<dyn Any + Send>| Err(vec![format!("loading panicked: {}", words_of(&*panic))]);
        let loaded = catch_unwind(AssertUnwindSafe(|| (self.load)(info, device))).unwrap_or_else(panicked);
        loaded.map_err(|problems| OpenError::Weights { path: info.weights.clone(), problems })
    }
}
