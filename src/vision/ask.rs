//! A call from the file that was sent: one that was answered before is not even decoded.

use std::time::Instant;

use bytes::Bytes;

use super::cache::{File, Key, Known};
use super::{DecodeError, InferError, Inferred, Lane, Options, Route, Source, Timing, Vision};

/// Larger files are hashed on the CPU pool: a quarter of a megabyte takes some 50 µs, which a request's thread can spare.
const HASHED_HERE: usize = 256 << 10;

/// Why a call got no answer. None of these is ever charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The file is no picture that is taken here.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The model gave no answer.
    #[error(transparent)]
    Infer(#[from] InferError),
}

impl Vision {
    /// Asks the models of a route about a file. Dropping the future takes the call out of the queue.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(&self, route: &Route, bytes: Bytes, options: &Options, lane: Lane, deadline: Instant) -> Result<Inferred, AskError> {
        let mut file = None;
        if !lane.fresh {
            let named = File { account: lane.account, target: route.target(), digest: self.hash(&bytes).await };
            if let Some(inferred) = self.recall(route, &named, options, lane).await {
                return Ok(inferred);
            }
            file = Some(named);
        }
        // Boxed: the future of a call that is answered from memory stays small, and every layer above moves it.
        Box::pin(self.see(route, bytes, file, options, lane, deadline)).await
    }

    async fn see(
        &self,
        route: &Route,
        bytes: Bytes,
        file: Option<File>,
        options: &Options,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Inferred, AskError> {
        let picture = self.decode(route, bytes, lane).await?;
        if let (Some(file), Some(pixels)) = (file, picture.digest) {
            self.cache.remember(file, Known { size: picture.size(), pixels }).await;
        }
        Ok(self.infer(route, &picture, options, lane, deadline).await?)
    }

    async fn hash(&self, bytes: &Bytes) -> [u8; 32] {
        if bytes.len() > HASHED_HERE {
            let hashed = bytes.clone();
            if let Ok(digest) = self.pool.run(move || *blake3::hash(&hashed).as_bytes()).await {
                return digest;
            }
        }
        *blake3::hash(bytes).as_bytes()
    }

    /// The answer to an equal file and equal options, where both are still known.
    async fn recall(&self, route: &Route, file: &File, options: &Options, lane: Lane) -> Option<Inferred> {
        let Known { size, pixels } = self.cache.known(file).await?;
        let found = self.cache.kept(&Key::new(lane, route.model.id, &pixels, options)).await?;
        let model = route.model.info.clone();
        Some(Inferred { model, size, findings: found.findings.clone(), timing: Timing::default(), source: Source::Cached })
    }
}
