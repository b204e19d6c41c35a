//! `lensmeter bench`: what we claim about speed, measured beside what it is compared with, in one run on one machine.

pub mod archive;
mod billing;
mod events;
mod floor;
mod gateway;
mod house;
mod load;
mod memory;
mod metering;
mod own;
mod peer;
mod vision;
mod wrk;
pub mod year;

use clap::Subcommand;

/// Options of `lensmeter bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// JPEG over HTTP to a classification, metered: against the bare forward loop, LitServe and FastAPI
    Vision(vision::Args),
    /// A metered call against an unmetered one, a transaction per request, and FastAPI with SQLite
    Metering(metering::Args),
    /// Reading usage when one account has millions of events, and what they take of the disk
    Events(events::Args),
    /// A month of usage as a Parquet file: its size, how long it takes there and back, and to read one account's
    Archive(archive::Args),
    /// A metered call against one through LiteLLM's proxy
    Gateway(gateway::Args),
    /// The server's memory through half an hour of steady load, and after it
    Memory(memory::Args),
    /// Periods closed and invoiced, with few and with many events in them
    Billing(billing::Args),
    /// A year of many accounts on simulated time: does every book agree, how long does it take, how does that grow
    Year(year::Args),
    /// Serve the unmetered route that `metering` compares with
    #[command(hide = true)]
    Floor(floor::Args),
}

/// Measures and prints tables in Markdown.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("This is a development build; figures worth keeping come from `make bench`, which builds with --release.");
    }
    match args.subject {
        Subject::Vision(args) => vision::run(args).await,
        Subject::Metering(args) => metering::run(args).await,
        Subject::Events(args) => events::run(args).await,
        Subject::Archive(args) => archive::run(args).await,
        Subject::Gateway(args) => gateway::run(args).await,
        Subject::Memory(args) => memory::run(args).await,
        Subject::Billing(args) => billing::run(args).await,
        Subject::Year(args) => year::run(args).await,
        Subject::Floor(args) => floor::run(args).await,
    }
}
