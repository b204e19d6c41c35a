//! `lensmeter bench events`: whether usage is still read at once when one account has ten million events in one period, and
//! what they take of the disk.

mod fill;
mod read;

use std::fmt::Write as _;
use std::path::Path;

use self::fill::Subject;
use self::read::Reading;
use super::house;
use crate::platform::db;

/// Options of `lensmeter bench events`.
#[derive(clap::Args)]
pub struct Args {
    /// How many events the account has at each measurement, ascending
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000])]
    events: Vec<i64>,
    /// Times that each page is asked for
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// Measures and prints.
///
/// # Errors
/// When the program or PostgreSQL does not start, or an answer is not as it should be.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let house = house::start(Path::new("models"), 1, &[]).await?;
    let db = db::connect(house.database_url(), 2).await?;
    let subject = Subject::prepare(&db, args.events.last().copied().unwrap_or(1)).await?;
    let mut readings = Vec::new();
    let mut there = 0;
    for &events in &args.events {
        subject.fill(&db, there, events).await?;
        there = events;
        readings.push(read::all(&house, &db, &subject, args.rounds).await?);
    }
    println!("{}", table(&args.events, &readings, args.rounds));
    db.close().await.map_err(Into::into)
}

fn table(events: &[i64], readings: &[Reading], rounds: usize) -> String {
    let mut text = format!("Reading the usage of one account, all in one period; median / slowest of {rounds}\n\n| events |");
    // Writing to a String cannot fail.
    for events in events {
        let _ = write!(text, " {events} |");
    }
    text += "\n|-|";
    text += &"-|".repeat(events.len());
    text += "\n";
    for at in 0..readings.first().map_or(0, |reading| reading.len()) {
        let _ = write!(text, "| {} |", readings[0][at].0);
        for reading in readings {
            let _ = write!(text, " {} |", reading[at].1);
        }
        text += "\n";
    }
    text
}
