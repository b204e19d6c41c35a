//! `lensmeter plans diff|apply|migrate|simulate`: the price catalogue as code.

mod simulate;

use std::path::PathBuf;

use anyhow::Context as _;
use entity::ids::AccountId;
use secrecy::ExposeSecret as _;

use crate::billing::{plan, subscription};
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

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Shows what `apply` would change and for whom, and changes nothing.
    Diff,
    /// Makes a new version of every plan that changed. Subscribers keep theirs.
    Apply,
    /// Moves the subscribers of a plan's older versions to the newest when their period ends.
    Migrate {
        /// The plan's code.
        #[arg(long)]
        plan: String,
    },
    /// Rates a past month again under a plan as its file says it, and shows the difference. Changes nothing.
    Simulate(Simulate),
}

/// What to rate again.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Simulate {
    /// The plan's code: of a file in the folder, or else its newest version in the database.
    #[arg(long)]
    plan: String,
    /// The month in which the periods begin, UTC: `2026-11`.
    #[arg(long)]
    period: String,
    /// One account only, by its id.
    #[arg(long)]
    account: Option<AccountId>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
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
        Command::Diff => print!("{}", diff_text(&plan::diff(&db, &files).await?)),
        Command::Apply => {
            for applied in plan::apply(&db, files, Clock::System.now()).await? {
                let what = if applied.changed { "is now" } else { "stays" };
                println!("{} {what} version {}", applied.code, applied.version);
            }
        }
        Command::Migrate { plan } => {
            let moved = subscription::migrate(&db, &plan).await?.with_context(|| format!("there is no plan {plan:?} in the database"))?;
            println!("{moved} subscriptions of {plan} get its newest version when their period ends");
        }
        Command::Simulate(asked) => print!("{}", simulate::run(&db, &files, &asked).await?),
    }
    Ok(())
}

/// `standard: base_fee: "5.00" -> "6.00"`, and under it whom a plan's change concerns.
fn diff_text(diffs: &[plan::PlanDiff]) -> String {
    let mut text = String::new();
    for diff in diffs.iter().filter(|diff| !diff.changes.is_empty()) {
        for change in &diff.changes {
            text.push_str(&format!("{}: {}: {:?} -> {:?}\n", change.plan, change.key, change.from, change.to));
        }
        let next = diff.version.map_or(1, |version| version + 1);
        text.push_str(&format!("{}: version {next} would be for new subscribers\n", diff.code));
        for (version, count) in &diff.subscribers {
            let who = if *count == 1 { "1 subscriber stays".to_owned() } else { format!("{count} subscribers stay") };
            text.push_str(&format!("{}: {who} on version {version}\n", diff.code));
        }
    }
    if text.is_empty() { "Nothing would change.\n".into() } else { text }
}
