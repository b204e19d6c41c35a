//! `lensmeter plans diff|apply`: the price catalogue as code.

use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::billing::plan;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db;

/// What to do with the catalogue.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The folder of the plans.
    #[arg(long, global = true, default_value = "plans")]
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Command {
    /// Shows what `apply` would change, and changes nothing.
    Diff,
    /// Makes a new version of every plan that changed. Subscribers keep theirs.
    Apply,
}

/// Runs the command; needs the database.
///
/// # Errors
/// When the configuration or a plan is wrong, or the database does not answer.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let files = plan::read_folder(&args.folder)?;
    let config = Config::load(None)?;
    let db =
        db::connect(config.database.url.expose_secret(), config.database.max_connections).await.context("DATABASE_URL: cannot connect")?;
    match args.command {
        Command::Diff => {
            let changes = plan::diff(&db, &files).await?;
            for change in &changes {
                println!("{}: {}: {:?} -> {:?}", change.plan, change.key, change.from, change.to);
            }
            if changes.is_empty() {
                println!("Nothing would change.");
            }
        }
        Command::Apply => {
            for applied in plan::apply(&db, files, Clock::System.now()).await? {
                let what = if applied.changed { "is now" } else { "stays" };
                println!("{} {what} version {}", applied.code, applied.version);
            }
        }
    }
    Ok(())
}
