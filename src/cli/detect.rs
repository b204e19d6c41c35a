//! `lensmeter detect`: a model on a picture, without a server, an account or a price.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::inference::Found;
use crate::vision::{DetectOptions, Findings, Lane, Options, Task, Vision};

/// Options of `lensmeter detect`.
#[derive(clap::Args)]
pub struct Args {
    /// The picture
    file: PathBuf,
    /// The model, when not the default
    #[arg(long)]
    model: Option<String>,
    /// The least confidence of what is printed
    #[arg(long)]
    min_confidence: Option<f32>,
    /// The folder of models
    #[arg(long, default_value = "models")]
    folder: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Prints `image` and `predictions` as `POST /v1/detect` answers them.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let file = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let vision = Vision::open(&args.folder, &args.device, 1)?;
    let route = vision.route(Task::Detect, args.model.as_deref(), 0)?;
    let options = Options::Detect(DetectOptions { min_confidence: args.min_confidence, ..DetectOptions::default() });
    let (lane, deadline) = (Lane { account: 0, weight: 1, fresh: true }, Instant::now() + Duration::from_secs(60));
    let inferred = vision.ask(&route, file.into(), &options, lane, deadline).await?;
    let Findings::Detections(detections) = &inferred.findings else { anyhow::bail!("the model gave something else than boxes") };
    println!("{}", serde_json::to_string_pretty(&Found::of(inferred.size, detections))?);
    Ok(())
}
