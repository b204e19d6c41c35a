//! Work for the CPU beside the device: decoding, scaling, reading maps. At most as many at once as there are cores.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// The pool; clones share it.
#[derive(Clone, Debug)]
pub struct CpuPool {
    places: Arc<Semaphore>,
}

impl CpuPool {
    /// With a place for each core.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { places: Arc::new(Semaphore::new(cores)) }
    }

    /// Runs `work` on a thread of its own; none when it panicked or the pool is closed.
    ///
    /// Once started, the work ends even if the caller goes away, and holds its place until then: a crowd of callers that
    /// give up cannot start more work than there are cores.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        task.await.ok()
    }
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new()
    }
}
