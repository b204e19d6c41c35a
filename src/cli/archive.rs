//! `lensmeter archive run|list|verify|restore`: old months of usage as Parquet files.

use std::time::Duration;

use anyhow::{Context as _, bail};
use entity::usage_archive;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret as _;

use crate::metering::archive::{self, Archive, Month};
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::{db, objects};

/// What to do with old months.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Archives every month before one, oldest first: its events go into a file and out of the database.
    Run {
        /// The first month that stays, UTC: `2026-01`.
        #[arg(long)]
        before: Month,
    },
    /// Lists the archived months, and those that are in the database.
    List,
    /// Reads files whole and compares them with what was archived. Exits with 1 when something differs.
    Verify {
        /// One month only: `2026-01`.
        month: Option<Month>,
    },
    /// Brings the events of a month back into the database. Its file stays.
    Restore {
        /// `2026-01`
        month: Month,
    },
}

/// Runs the command; needs the database and the storage.
///
/// # Errors
/// When a month cannot be archived, read or restored, with what to do; what was done before stays done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::load(None)?;
    let db =
        db::connect(config.database.url.expose_secret(), config.database.max_connections).await.context("DATABASE_URL: cannot connect")?;
    let archive = Archive::over(objects::open(&config.storage)?);
    match args.command {
        Command::Run { before } => archive_all(&db, &archive, before).await,
        Command::List => list(&db).await,
        Command::Verify { month } => verify(&db, &archive, month).await,
        Command::Restore { month } => {
            let bar = bar();
            let events = archive::restore(&db, &archive, month, &|what, events| show(&bar, what, events)).await?;
            bar.finish_and_clear();
            println!("{month}: {events} events are in the database again");
            Ok(())
        }
    }
}

async fn archive_all(db: &DatabaseConnection, archive: &Archive, before: Month) -> anyhow::Result<()> {
    let mut months = 0;
    loop {
        let bar = bar();
        let archived = archive::oldest(db, archive, before, Clock::System.now(), &|what, events| show(&bar, what, events)).await?;
        bar.finish_and_clear();
        let Some(row) = archived else { break };
        println!("{}", line(&row));
        months += 1;
    }
    if months == 0 {
        println!("No month before {before} is in the database.");
    }
    Ok(())
}

async fn list(db: &DatabaseConnection) -> anyhow::Result<()> {
    for row in archive::list(db).await? {
        println!("{}", line(&row));
    }
    let attached: Vec<_> = archive::attached(db).await?.iter().map(Month::to_string).collect();
    println!("In the database: {}", attached.join(", "));
    Ok(())
}

async fn verify(db: &DatabaseConnection, archive: &Archive, only: Option<Month>) -> anyhow::Result<()> {
    let mut rows = archive::list(db).await?;
    if let Some(month) = only {
        rows.retain(|row| row.month == month.date());
        if rows.is_empty() {
            bail!("{month} is not archived; see `lensmeter archive list`");
        }
    }
    let mut wrong = 0;
    for row in &rows {
        let bar = bar();
        let found = archive::verify(db, archive, row, &|what, events| show(&bar, what, events)).await;
        bar.finish_and_clear();
        match found {
            Ok(()) => println!("ok    {}", line(row)),
            Err(difference) => {
                wrong += 1;
                println!("WRONG {difference}");
            }
        }
    }
    if wrong > 0 {
        bail!("{wrong} of {} archived months did not verify", rows.len());
    }
    Ok(())
}

fn line(row: &usage_archive::Model) -> String {
    let megabytes = row.bytes as f64 / 1e6;
    format!("{}  {:>11} events  {megabytes:>9.2} MB  {}", Month::from(row.month), row.events, row.object)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos} events, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn show(bar: &ProgressBar, what: &'static str, events: i64) {
    bar.set_message(what);
    bar.set_position(events.unsigned_abs());
}
