//! How models are served.

use std::{path::PathBuf, time::Duration};

/// How models are served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of models.
    pub models: PathBuf,
    /// `auto`, `cpu`, `cuda:N`, or several of the last with commas.
    pub device: String,
    /// Threads of one forward pass on a CPU.
    pub threads: usize,
    /// Forward passes at the same time on each device; 0: as many as there are cores on a CPU, one on a GPU.
    pub workers: usize,
    /// Most bytes of weights; no limit when none.
    pub memory: Option<u64>,
    /// Bytes of answers that are kept; 0 keeps none.
    pub cache: u64,
    /// How long an answer is kept.
    pub cache_life: Duration,
    /// How often the folder is looked at; zero: only when asked to.
    pub poll: Duration,
}

impl Default for Settings {
    /// The folder `models` on any device, one forward pass at a time; no answers are kept, and the folder is not watched.
    fn default() -> Self {
        Self {
            models: "models".into(),
            device: "auto".into(),
            threads: 1,
            workers: 1,
            memory: None,
            cache: 0,
            cache_life: Duration::from_secs(3600),
            poll: Duration::ZERO,
        }
    }
}
