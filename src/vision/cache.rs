//! Answers that are kept for an equal call, and calls that are under way for an equal one.
//!
//! A call is equal when account, model, pixels and options are. The account is part of it so that nobody learns from a
//! fast answer what another account sent; the hash is a cryptographic one so that nobody can make two pictures equal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use moka::future::Cache as Store;

use super::{Findings, InferError, Options, Picture, Source, Timing};

/// The cache; clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    answers: Store<Key, Arc<Found>>,
}

/// What makes calls equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose call it is.
    pub account: u128,
    /// The loaded model's id: a model whose files changed is another one.
    pub model: u64,
    /// See [`digest`].
    pub digest: [u8; 32],
}

/// What a model found, and what that took.
#[derive(Clone, Debug)]
pub struct Found {
    /// The findings.
    pub findings: Findings,
    /// Of the computation.
    pub timing: Timing,
}

/// Pixels and options in one number.
#[must_use]
pub fn digest(picture: &Picture, options: &Options) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for side in [picture.width, picture.height, picture.pixels_width, picture.pixels_height] {
        hasher.update(&side.to_be_bytes());
    }
    // Their derived text says every field, and floats in full.
    hasher.update(format!("{options:?}").as_bytes());
    hasher.update(&picture.rgb);
    *hasher.finalize().as_bytes()
}

impl Cache {
    /// Keeps answers of at most `bytes` in all, each for `life` at most. With no bytes, equal calls under way are still
    /// computed once.
    #[must_use]
    pub fn new(bytes: u64, life: Duration) -> Self {
        let weigher = |_: &Key, found: &Arc<Found>| size_of_found(found);
        Self { answers: Store::builder().max_capacity(bytes).weigher(weigher).time_to_live(life).build() }
    }

    /// The answer of an equal call, or that of `run`.
    ///
    /// When the caller that computes goes away, the next one that waits computes. An error is the answer of those that
    /// waited for it, but a deadline: theirs may be later.
    ///
    /// # Errors
    /// [`InferError`]; none is kept.
    pub async fn answer<R: Future<Output = Result<Found, InferError>>>(
        &self,
        key: Key,
        deadline: Instant,
        run: impl Fn() -> R,
    ) -> Result<(Arc<Found>, Source), InferError> {
        if let Some(found) = self.answers.get(&key).await {
            return Ok((found, Source::Cached));
        }
        loop {
            let ran = AtomicBool::new(false);
            let compute = async {
                ran.store(true, Ordering::Relaxed);
                run().await.map(Arc::new)
            };
            let answer = tokio::time::timeout_at(deadline.into(), self.answers.try_get_with_by_ref(&key, compute)).await;
            let ran = ran.load(Ordering::Relaxed);
            match answer {
                Ok(Ok(found)) => return Ok((found, if ran { Source::Computed } else { Source::Joined })),
                Ok(Err(error)) if !ran && *error == InferError::Deadline => {}
                Ok(Err(error)) => return Err(InferError::clone(&error)),
                Err(_) => return Err(InferError::Deadline),
            }
        }
    }
}

/// Bytes, about.
fn size_of_found(found: &Found) -> u32 {
    /// Of the key, the handles and what moka notes of an entry.
    const ENTRY: usize = 256;
    let findings = match &found.findings {
        Findings::Detections(all) => all.iter().map(|one| size_of_val(one) + one.class.len()).sum(),
        Findings::Classes(all) => all.iter().map(|one| size_of_val(one) + one.class.len()).sum(),
        Findings::Embedding(features) => size_of_val(&features[..]),
    };
    u32::try_from(ENTRY + findings).unwrap_or(u32::MAX)
}
