//! The command line: one file per command.

mod admin;
mod archive;
pub mod bench;
pub mod demo;
mod detect;
mod doctor;
mod migrate;
mod models;
pub mod openapi;
mod plans;
mod serve;
mod train;
mod verify_invoice;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Serves vision models, meters every call durably, holds spend caps and invoices through Stripe.
///
/// Configured by lensmeter.toml and environment variables: see lensmeter.example.toml.
#[derive(Parser)]
#[command(name = "lensmeter", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole product on this machine, with nothing configured
    Demo(demo::Args),
    /// Serve the API and the portal, and do the background work
    Serve(serve::Args),
    /// Do the background work only
    Worker,
    /// Bring the database's schema up to date
    Migrate,
    /// Compare or apply the price catalogue
    Plans(plans::Args),
    /// Look at accounts and act on them as an operator: credit, invoices, plans
    Admin(admin::Args),
    /// Move old months of usage into Parquet files, check them, bring them back
    Archive(archive::Args),
    /// Run a model on a picture, offline, and print what it finds
    Detect(detect::Args),
    /// List or check the models
    Models(models::Args),
    /// Train the built-in detector
    Train(train::Args),
    /// Check that this machine and its configuration can serve
    Doctor(doctor::Args),
    /// Measure what we claim about speed, beside what it is compared with
    Bench(bench::Args),
    /// Print the OpenAPI document
    Openapi,
    /// Re-add an exported invoice, offline
    VerifyInvoice(verify_invoice::Args),
}

/// Parses the command line, runs the command, and says on standard error what went wrong.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Both reqwest and sqlx take the process' provider; a second install would be the only way to fail.
    drop(rustls::crypto::ring::default_provider().install_default());
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lensmeter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        // These need no runtime: training owns all threads it is given.
        Command::Train(args) => train::run(args),
        Command::Models(args) => models::run(args),
        Command::VerifyInvoice(args) => verify_invoice::run(args),
        Command::Openapi => openapi::run(),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Bench(args) => block_on(bench::run(args)),
        Command::Detect(args) => block_on(detect::run(args)),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Worker => block_on(worker::run()),
        Command::Migrate => block_on(migrate::run()),
        Command::Plans(args) => block_on(plans::run(args)),
        Command::Admin(args) => block_on(admin::run(args)),
        Command::Archive(args) => block_on(archive::run(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
