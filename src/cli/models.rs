//! `lensmeter models`: which models there are, and whether their weights fit.

use std::path::{Path, PathBuf};

use clap::{Args as Clap, Subcommand};

use crate::vision::{
    registry::{self, ModelInfo},
    torch::{device, load},
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
    /// Load every model and print what is wrong with it
    Check,
}

/// Lists or checks; checking fails when anything is wrong.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut wrong = 0;
    for path in registry::manifests(&args.folder)? {
        let outcome = match args.verb {
            Verb::List => registry::read(&path).map(|model| describe(&model)).map_err(|error| vec![error.to_string()]),
            Verb::Check => check(&path),
        };
        match outcome {
            Ok(line) => println!("{line}"),
            Err(problems) => {
                wrong += problems.len();
                problems.iter().for_each(|problem| println!("{}: {problem}", path.display()));
            }
        }
    }
    anyhow::ensure!(wrong == 0, "{wrong} problem(s)");
    Ok(())
}

fn describe(model: &ModelInfo) -> String {
    format!("{}/{}  {}  {}\n    {}", model.name, model.version, model.task, model.classes.join(", "), model.description)
}

fn check(path: &Path) -> Result<String, Vec<String>> {
    let model = registry::read(path).map_err(|error| vec![error.to_string()])?;
    let device = device::choose("cpu").map_err(|error| vec![error.to_string()])?;
    load::load(&model.weights, model.classes.len(), device)?;
    Ok(format!("{}/{}  fits", model.name, model.version))
}
