//! `lensmeter models`: which models there are, whether they fit, how fast they are here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as Clap, Subcommand};

use crate::vision::{
    OpenError,
    backend::Backend as _,
    registry::{self, ModelInfo, Precision},
    torch::{Torch, device, trial},
};

/// Options of `lensmeter models`.
#[derive(Clap)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The folder of models
    #[arg(long, default_value = "models", global = true)]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Print every model with its task and classes
    List,
    /// Load every model, try it, time it, and print what is wrong with it
    Check {
        /// Only the models of this name
        name: Option<String>,
        /// auto, cpu or cuda:N
        #[arg(long, default_value = "cpu")]
        device: String,
        /// Threads of one forward pass on the CPU
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
}

/// Lists or checks; fails when anything is wrong.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut wrong = 0;
    for path in registry::manifests(&args.folder)? {
        let outcome = match &args.verb {
            Verb::Check { name: Some(name), .. } if !is_called(&path, name) => continue,
            Verb::List => read(&path).map(|model| describe(&model)),
            Verb::Check { device, threads, .. } => check(&path, device, *threads),
        };
        match outcome {
            Ok(text) => println!("{text}"),
            Err(problems) => {
                wrong += problems.len();
                println!("{}: WRONG", path.display());
                problems.iter().for_each(|problem| println!("    {problem}"));
            }
        }
    }
    anyhow::ensure!(wrong == 0, "{wrong} problem(s)");
    Ok(())
}

/// `models/<name>/<version>/model.toml`
fn is_called(manifest: &Path, name: &str) -> bool {
    manifest.ancestors().nth(2).is_some_and(|folder| folder.ends_with(name))
}

fn read(path: &Path) -> Result<ModelInfo, Vec<String>> {
    registry::read(path).map_err(|error| match error {
        OpenError::Manifest { problems, .. } => problems,
        other => vec![other.to_string()],
    })
}

fn describe(model: &ModelInfo) -> String {
    let classes = match &model.classes[..] {
        [] => "no classes".into(),
        few if few.len() <= 12 => few.join(", "),
        many => format!("{} classes", many.len()),
    };
    let extra = [model.license.as_deref(), model.price_hint.as_deref()].into_iter().flatten();
    let parts: Vec<&str> = [model.task.as_str(), model.architecture.as_str(), &classes].into_iter().chain(extra).collect();
    format!("{}/{}  {}\n    {}", model.name, model.version, parts.join("  "), model.description)
}

fn check(path: &Path, device: &str, threads: usize) -> Result<String, Vec<String>> {
    let one = |problem: String| vec![problem];
    let model = read(path)?;
    let device = device::choose(device).map_err(|error| one(error.to_string()))?;
    let chosen = Torch::load(&model, device, threads)?;
    let side = model.input.resize.square();
    let mut lines = vec![
        describe(&model),
        format!(
            "    fits: {} parameters, {:.1} MB; timed on {device:?} with {threads} thread(s), {side}x{side} pixels",
            grouped(chosen.parameters()),
            chosen.bytes() as f64 / 1e6
        ),
    ];
    let mut exact = Torch::load_in(&model, device, threads, Precision::Float32)?;
    lines.push(format!("    float32   {}", pace(&mut exact, &model).map_err(one)?));
    if device::has_bfloat16(device) {
        lines.push(match Torch::load_in(&model, device, threads, Precision::BFloat16) {
            Err(problems) => format!("    bfloat16  does not work: {}", problems.join("; ")),
            Ok(mut fast) => {
                let apart = trial::difference(&mut exact, &mut fast, &model).map_err(one)?;
                let apart = apart.map_or(String::new(), |apart| format!(", differs by {:.2} % of the greatest number", apart * 100.));
                format!("    bfloat16  {}{apart}", pace(&mut fast, &model).map_err(one)?)
            }
        });
    }
    let why = match model.precision {
        None => "by default on this device",
        Some(Precision::Auto) => "the faster one, precision = \"auto\"",
        Some(_) => "as model.toml says",
    };
    lines.push(format!("    serves in {}: {why}", chosen.precision().as_str()));
    Ok(lines.join("\n"))
}

/// Milliseconds for a picture, alone and in a full batch.
fn pace(torch: &mut Torch, model: &ModelInfo) -> Result<String, String> {
    let batch = model.limits.batch;
    let millis = |time: Duration, pictures: usize| time.as_secs_f64() * 1e3 / pictures as f64;
    let alone = millis(trial::time(torch, model, 1, 3)?, 1);
    let full = millis(trial::time(torch, model, batch, 2)?, batch);
    Ok(format!("{alone:7.1} ms a picture alone, {full:7.1} ms in a batch of {batch}"))
}

/// 11689512 as 11 689 512.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|three| str::from_utf8(three).unwrap_or_default()).collect();
    grouped.join(" ")
}
