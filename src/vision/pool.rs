//! Work for the CPU beside the device: decoding, scaling, reading maps. At most as many at once as there are cores, so that
//! as many pictures are unpacked at a time; what waits still has its file, and only so much may wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pieces of work that may wait for each core before new ones are refused: about a second of small pictures. Fewer would
/// refuse five hundred customers who all ask for an answer that is kept.
const WAITING: usize = 256;

/// The pool; clones share it.
#[derive(Clone, Debug)]
pub struct CpuPool {
    places: Arc<Semaphore>,
    /// Running and waiting.
    inside: Arc<AtomicUsize>,
    cores: usize,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// Too much waits already.
    Full,
    /// It panicked.
    Failed,
}

/// One piece of work that is counted as long as this lives.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CpuPool {
    /// With a place for each core.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { places: Arc::new(Semaphore::new(cores)), inside: Arc::default(), cores }
    }

    /// Runs work of a call that was let in before.
    ///
    /// Once started, the work ends even if the caller goes away, and holds its place until then: a crowd of callers that
    /// give up cannot start more work than there are cores.
    ///
    /// # Errors
    /// [`PoolError::Failed`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.wait(Inside(Arc::clone(&self.inside)), work).await
    }

    /// Runs work of a new call, unless too much waits already.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn try_run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let inside = Inside(Arc::clone(&self.inside));
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.cores * (1 + WAITING) {
            return Err(PoolError::Full);
        }
        self.wait(inside, work).await
    }

    /// Runs work that nobody waits for, when a core is free now.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run_idle<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PoolError::Full)?;
        self.inside.fetch_add(1, Ordering::Relaxed);
        start(Inside(Arc::clone(&self.inside)), place, work).await
    }

    async fn wait<T: Send + 'static>(&self, inside: Inside, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        start(inside, place, work).await
    }
}

async fn start<T: Send + 'static>(
    inside: Inside,
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PoolError> {
    let task = tokio::task::spawn_blocking(move || {
        let held = (inside, place);
        let result = work();
        drop(held);
        result
    });
    task.await.map_err(|_| PoolError::Failed)
}

impl Default for CpuPool {
    fn default() -> Self {
        Self::new()
    }
}
