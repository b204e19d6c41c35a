//! Keeps training fed: threads draw scenes into a pool and cut crops out of it, one batch ahead.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use super::{
    augment::augment,
    dice::Dice,
    material::Material,
    scene::{self, Scene},
    targets::{Targets, targets},
};

/// This share of the scenes is turned by a quarter before crops are cut, in which few are: print on its side is learnt last.
const TURNED: f32 = 0.2;
/// In this share of the scenes lines of text are highlighted, which the layouts seldom do.
const HIGHLIGHTED: f32 = 0.15;

/// One crop with its targets.
#[derive(Debug)]
pub struct Sample {
    /// `side * side * 3` bytes, RGB.
    pub pixels: Vec<u8>,
    /// What to find on it.
    pub targets: Targets,
}

/// What a feed makes.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// Crops a batch.
    pub batch: usize,
    /// Pixels a side of a crop.
    pub crop: u32,
    /// Pixels a side of a scene.
    pub scene: u32,
    /// Crops for each newly drawn scene: drawing costs several times what cutting does.
    pub reuse: u64,
    /// Scenes held by each thread.
    pub pool: usize,
    /// Threads that draw.
    pub threads: usize,
}

/// Starts the threads; they stop when the receiver is dropped. Scenes are numbered from `first`.
#[must_use]
pub fn start(material: &Arc<Material>, options: FeedOptions, first: u64) -> Receiver<Vec<Sample>> {
    let (sender, receiver) = sync_channel(4);
    let number = Arc::new(AtomicU64::new(first));
    for _ in 0..options.threads {
        let (material, sender, number) = (Arc::clone(material), sender.clone(), Arc::clone(&number));
        std::thread::spawn(move || produce(&material, options, &number, &sender));
    }
    receiver
}

fn produce(material: &Material, options: FeedOptions, number: &AtomicU64, sender: &SyncSender<Vec<Sample>>) {
    let next = || number.fetch_add(1, Ordering::Relaxed);
    let mut dice = Dice::new(next() ^ 0x5eed_0000_0000);
    let mut pool: Vec<Scene> = Vec::new();
    for turn in 0u64.. {
        let samples = (0..options.batch).map(|i| {
            let drawn = turn * options.batch as u64 + i as u64;
            // The pool fills quickly at first, then one scene in it is replaced every `reuse` crops.
            if pool.len() < options.batch.max(16) || drawn.is_multiple_of(options.reuse) {
                let mut fresh = scene::draw(material, next(), options.scene);
                if dice.chance(TURNED) {
                    fresh = fresh.turned();
                }
                if dice.chance(HIGHLIGHTED) {
                    fresh.highlight(&mut dice);
                }
                if pool.len() < options.pool {
                    pool.push(fresh);
                } else {
                    let old = dice.index(pool.len());
                    pool[old] = fresh;
                }
            }
            let at = dice.index(pool.len());
            let crop = augment(&pool[at], &mut dice, options.crop);
            let targets = targets(&crop);
            Sample { pixels: crop.image.into_raw(), targets }
        });
        if sender.send(samples.collect()).is_err() {
            return;
        }
    }
}
