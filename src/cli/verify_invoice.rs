//! `lensmeter verify-invoice FILE`: computes an exported invoice again, offline.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::billing::invoice::export::Export;
use crate::billing::invoice::verify;

/// The exported invoice to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The JSON file, as downloaded from the portal.
    file: PathBuf,
}

/// Runs the command; needs neither database nor network.
///
/// # Errors
/// When the file cannot be read, or names the first event, line or total that differs.
pub fn run(args: Args) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&args.file).with_context(|| args.file.display().to_string())?;
    let export: Export = serde_json::from_str(&text).with_context(|| format!("{} is no exported invoice", args.file.display()))?;
    let verified = verify::verify(&export).with_context(|| format!("invoice {} does not add up", export.number))?;
    let total = entity::money::Minor(export.total_minor).decimal(entity::money::exponent(&export.currency));
    println!(
        "Invoice {} adds up: {} events, {} lines, total {total} {}.",
        export.number,
        verified.events,
        verified.lines,
        export.currency.to_uppercase()
    );
    Ok(())
}
