//! The training run: resumable, bounded by time, with checkpoints, a log and a picture of its curve.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tch::{Device, Tensor, nn::VarStore};

use super::{
    curve,
    feed::{self, FeedOptions},
    fonts::{NoFonts, Split},
    loss::{Batch, loss},
    material::Material,
    optimizer::Optimizer,
    sheet::CLASSES,
};
use crate::vision::torch::network::{Elements, Precision};

const WARM_UP: f64 = 300.;
const LAST_RATE: f64 = 0.01;
/// Steps between two lines of the log.
const LOG_EVERY: u64 = 25;

/// How to train.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where checkpoint, log, curve and exported weights are written; a checkpoint found there is resumed.
    pub folder: PathBuf,
    /// Where fonts are found.
    pub fonts: PathBuf,
    /// Length of the whole run, resumed parts together. The learning rate falls to its end over this time.
    pub length: Duration,
    /// Time between two checkpoints.
    pub checkpoint: Duration,
    /// Threads that compute; one is right unless the cores are idle.
    pub threads: i32,
    /// Threads that draw.
    pub drawers: usize,
    /// Crops a step.
    pub batch: usize,
    /// Weights to begin with instead of chance; they may be for fewer classes, the first of ours.
    pub from: Option<PathBuf>,
    /// Highest learning rate: 2e-3 from chance, about half from trained weights.
    pub rate: f64,
    /// After this share of the length the detection map rests, and the second look alone is trained on what it proposes.
    pub settle: f64,
}

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No fonts.
    #[error(transparent)]
    Fonts(#[from] NoFonts),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// libtorch refused a tensor file.
    #[error("{0}: {1}")]
    Tensors(PathBuf, tch::TchError),
    /// The files hold networks of different shapes.
    #[error("{0} and {1} are not of one network: they differ in {2}")]
    Unlike(PathBuf, PathBuf, String),
    /// The drawing threads died.
    #[error("the threads that draw pictures stopped")]
    Starved,
}

/// One line of `log.csv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLine {
    /// Steps done.
    pub step: u64,
    /// Seconds trained, resumed parts together.
    pub seconds: f64,
    /// Classification, boxes, sides, mask, second look: means since the last line.
    pub parts: [f64; 5],
    /// Mean IoU of positives, since the last line.
    pub iou: f64,
}

struct Run {
    options: RunOptions,
    material: Arc<Material>,
    optimizer: Optimizer,
    /// Seconds of the parts before this one.
    before: f64,
    started: Instant,
}

/// Trains until `length` is used up; gives the exported weights' path.
///
/// # Errors
/// When fonts are missing or a file cannot be read or written.
pub fn run(options: RunOptions) -> Result<PathBuf, RunError> {
    fs::create_dir_all(&options.folder).map_err(|e| RunError::File(options.folder.clone(), e))?;
    tch::set_num_threads(options.threads);
    tch::manual_seed(7);
    let material = Arc::new(Material::open(&options.fonts, Split::Train)?);
    let store = VarStore::new(Device::Cpu);
    let network = Elements::new(&store.root(), CLASSES.len());
    let mut run = Run { optimizer: Optimizer::new(&store), before: 0., started: Instant::now(), material, options };
    run.resume()?;
    run.train(&network)?;
    Ok(run.path("weights.safetensors"))
}

impl Run {
    fn path(&self, name: &str) -> PathBuf {
        self.options.folder.join(name)
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn resume(&mut self) -> Result<(), RunError> {
        let path = self.path("checkpoint.safetensors");
        if path.exists() {
            let state = read_tensors(&path)?;
            self.optimizer.restore(&state);
            self.before = state.get("seconds").map_or(0., |seconds| seconds.double_value(&[0]));
        } else if let Some(path) = &self.options.from {
            self.optimizer.begin_with(&read_tensors(path)?);
        }
        Ok(())
    }

    fn train(&mut self, network: &Elements) -> Result<(), RunError> {
        let feed_options =
            FeedOptions { batch: self.options.batch, crop: 448, scene: 768, reuse: 12, pool: 300, threads: self.options.drawers };
        // A resumed part sees new scenes.
        let feed = feed::start(&self.material, feed_options, self.optimizer.step * 1000);
        let precision = Precision::of_this_cpu();
        let length = self.options.length.as_secs_f64();
        let bar = ProgressBar::new(length as u64).with_style(
            ProgressStyle::with_template("{bar:40} {elapsed} of {len} s, {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let (mut sum, mut summed, mut saved, mut settled) = (LogLine::default(), 0., Instant::now(), false);
        while self.seconds() < length {
            let samples = feed.recv().map_err(|_| RunError::Starved)?;
            let batch = Batch::new(&samples, feed_options.crop);
            let used = self.seconds() / length;
            if !settled && used >= self.options.settle {
                self.optimizer.settle();
                settled = true;
            }
            let maps = if settled { network.look(&batch.pictures, precision) } else { network.forward(&batch.pictures, true, precision) };
            let lost = loss(&maps, &batch);
            self.optimizer.step(&lost.total, self.options.rate * share(self.optimizer.step, used, self.options.settle));
            for (sum, part) in sum.parts.iter_mut().zip(&lost.parts) {
                *sum += part.double_value(&[]);
            }
            sum.iou += lost.iou.double_value(&[]);
            summed += 1.;
            if self.optimizer.step.is_multiple_of(LOG_EVERY) {
                let line = LogLine {
                    step: self.optimizer.step,
                    seconds: self.seconds(),
                    parts: sum.parts.map(|part| part / summed),
                    iou: sum.iou / summed,
                };
                self.log(&line)?;
                bar.set_position(line.seconds as u64);
                let images = line.step * self.options.batch as u64;
                bar.set_message(format!("{images} pictures, loss {:.3}, IoU {:.3}", line.parts.iter().sum::<f64>(), line.iou));
                (sum, summed) = (LogLine::default(), 0.);
            }
            if saved.elapsed() > self.options.checkpoint {
                self.save()?;
                saved = Instant::now();
            }
        }
        bar.finish();
        self.save()
    }

    fn log(&self, line: &LogLine) -> Result<(), RunError> {
        let path = self.path("log.csv");
        let failed = |e| RunError::File(path.clone(), e);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let [class, boxes, sides, mask, look] = line.parts;
        writeln!(file, "{},{:.0},{class:.4},{boxes:.4},{sides:.4},{mask:.4},{look:.4},{:.4}", line.step, line.seconds, line.iou)
            .map_err(failed)
    }

    /// Checkpoint, weights and curve; each is written beside and renamed, so that a kill leaves the old one.
    fn save(&self) -> Result<(), RunError> {
        let mut state = self.optimizer.state();
        state.push(("seconds".into(), Tensor::from_slice(&[self.seconds()])));
        write_tensors(&state, &self.path("checkpoint.safetensors"))?;
        write_tensors(&self.optimizer.export(), &self.path("weights.safetensors"))?;
        let lines = curve::read(&self.path("log.csv"));
        let path = self.path("curve.png");
        curve::draw(&lines, &self.material.fonts).save(&path).map_err(|e| RunError::File(path, std::io::Error::other(e)))
    }
}

/// Share of the highest rate: warm-up, then a cosine over the share of time used, before and after all but the second look
/// has settled.
fn share(step: u64, used: f64, settle: f64) -> f64 {
    let warm = ((step + 1) as f64 / WARM_UP).min(1.);
    let used = if used < settle { used / settle } else { (used - settle) / (1. - settle).max(f64::EPSILON) };
    let cosine = (1. + (std::f64::consts::PI * used.min(1.)).cos()) / 2.;
    warm * (LAST_RATE + (1. - LAST_RATE) * cosine)
}

/// The tensors of a file, by their names.
///
/// # Errors
/// When the file cannot be read.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, RunError> {
    let tensors = tch::no_grad(|| Tensor::read_safetensors(path)).map_err(|e| RunError::Tensors(path.to_owned(), e))?;
    Ok(tensors.into_iter().collect())
}

/// Writes beside and renames, so that a kill leaves the old file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tensors(tensors: &[(String, Tensor)], path: &Path) -> Result<(), RunError> {
    let beside = path.with_extension("part");
    Tensor::write_safetensors(tensors, &beside).map_err(|e| RunError::Tensors(beside.clone(), e))?;
    fs::rename(&beside, path).map_err(|e| RunError::File(path.to_owned(), e))
}
