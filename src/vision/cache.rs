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

use super::{Findings, InferError, Lane, Options, Picture, Size, Source, Target, Timing};

/// The cache; clones share it.
#[derive(Clone, Debug)]
pub struct Cache {
    answers: Store<Key, Arc<Found>>,
    files: Store<File, Known>,
}

/// Files whose pixels are remembered, some 200 bytes each.
const FILES: u64 = 65_536;

/// A file that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct File {
    /// Who sent it.
    pub account: u128,
    /// What it was decoded for: at another scale it has other pixels.
    pub target: Target,
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
}

/// What is remembered of a file: enough to find answers about it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Of the picture, as sent.
    pub size: Size,
    /// See [`pixels`].
    pub pixels: [u8; 32],
}

/// What makes calls equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose call it is.
    pub account: u128,
    /// The loaded model's id: a model whose files changed is another one.
    pub model: u64,
    /// Of pixels and options.
    pub digest: [u8; 32],
}

impl Key {
    /// Of a model's call with `pixels`, see [`pixels`].
    #[must_use]
    pub fn new(lane: Lane, model: u64, pixels: &[u8; 32], options: &Options) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(pixels);
        // Their derived text says every field, and floats in full.
        hasher.update(format!("{options:?}").as_bytes());
        Self { account: lane.account, model, digest: *hasher.finalize().as_bytes() }
    }
}

/// What a model found, and what that took.
#[derive(Clone, Debug)]
pub struct Found {
    /// The findings.
    pub findings: Findings,
    /// Of the computation.
    pub timing: Timing,
}

/// BLAKE3 of a picture's sizes and pixels.
#[must_use]
pub fn pixels(picture: &Picture) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for side in [picture.width, picture.height, picture.pixels_width, picture.pixels_height] {
        hasher.update(&side.to_be_bytes());
    }
    hasher.update(&picture.rgb);
    *hasher.finalize().as_bytes()
}

impl Cache {
    /// Keeps answers of at most `bytes` in all, each for `life` at most. With no bytes, equal calls under way are still
    /// computed once.
    #[must_use]
    pub fn new(bytes: u64, life: Duration) -> Self {
        let weigher = |_: &Key, found: &Arc<Found>| size_of_found(found);
        Self {
            answers: Store::builder().max_capacity(bytes).weigher(weigher).time_to_live(life).build(),
            files: Store::builder().max_capacity(if bytes > 0 { FILES } else { 0 }).time_to_live(life).build(),
        }
    }

    /// What is known of a file.
    pub async fn known(&self, file: &File) -> Option<Known> {
        self.files.get(file).await
    }

    /// Remembers a file.
    pub async fn remember(&self, file: File, known: Known) {
        self.files.insert(file, known).await;
    }

    /// The answer that is kept for a call.
    pub async fn kept(&self, key: &Key) -> Option<Arc<Found>> {
        self.answers.get(key).await
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
