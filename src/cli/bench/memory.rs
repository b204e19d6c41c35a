//! `lensmeter bench memory`: whether the server's memory stays where it is through many minutes of steady calls, and after them.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use image::{ImageFormat, RgbImage};
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::house::{self, House};
use super::load::{self, Make, Shape};
use super::own;

/// Options of `lensmeter bench memory`.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes of load
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Calls a second of all connections together; without it half of what ten seconds without a limit reach
    #[arg(long)]
    rate: Option<f64>,
    /// Accounts that the calls go round
    #[arg(long, default_value_t = 100)]
    accounts: usize,
    /// Seconds without a call before the last look
    #[arg(long, default_value_t = 120)]
    rest: u64,
}

/// How often memory is looked at under load.
const LOOKS: u32 = 12;

/// What the connections have done so far.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// One look at the server.
struct Look {
    when: String,
    resident: f64,
    answered: u64,
    refused: u64,
}

/// Measures and prints.
///
/// # Errors
/// When the program or PostgreSQL does not start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let house = house::start(Path::new("models"), args.accounts, &[]).await?;
    let fresh = house.resident();
    let call = call(&house);
    let rate = match args.rate {
        Some(rate) => rate,
        None => half(&call, args.connections).await?,
    };
    let tally = Arc::new(Tally::default());
    let before = own::shares(&house.url).await?;
    let look = |when: String| {
        let (answered, refused) = (tally.answered.load(Ordering::Relaxed), tally.refused.load(Ordering::Relaxed));
        let look = Look { when, resident: house.resident(), answered, refused };
        eprintln!("{}: {:.1} MiB, {answered} calls", look.when, look.resident);
        look
    };
    let mut looks = vec![Look { when: "started, no call yet".into(), resident: fresh, answered: 0, refused: 0 }];
    let length = Duration::from_secs(60) * args.minutes;
    let begin = Instant::now();
    let mut connections = connect(&call, &args, rate, begin + length, &tally)?;
    for number in 1..=LOOKS {
        let at = length * number / LOOKS;
        tokio::time::sleep_until(begin + at).await;
        looks.push(look(format!("{:.1} min", at.as_secs_f64() / 60.)));
    }
    while let Some(ended) = connections.join_next().await {
        ended?;
    }
    tokio::time::sleep(Duration::from_secs(args.rest)).await;
    looks.push(look(format!("{} s after the last call", args.rest)));
    println!("{}", table(&looks, &args, rate));
    println!("{}", own::table(&before, &own::shares(&house.url).await?)?);
    Ok(())
}

/// The n-th call: each account in turn, and each call with a key of its own, so that its answer is stored.
fn call(house: &House) -> Make {
    let (url, keys) = (format!("{}/v1/detect", house.url), house.api_keys.clone());
    let picture = Bytes::from(picture());
    Arc::new(move |client: &Client, n| {
        let request = client.post(&url).bearer_auth(&keys[n as usize % keys.len()]).header("content-type", "image/png");
        request.header("idempotency-key", format!("{}-{n}", std::process::id())).body(picture.clone())
    })
}

/// A small one, whose result is kept: what is looked at is everything around the model.
pub fn picture() -> Vec<u8> {
    let mut picture = Cursor::new(Vec::new());
    RgbImage::new(64, 64).write_to(&mut picture, ImageFormat::Png).expect("memory takes a picture");
    picture.into_inner()
}

/// Half of what a closed loop reaches.
async fn half(call: &Make, connections: u32) -> anyhow::Result<f64> {
    let shape = Shape { connections: connections as usize, warm_up: Duration::from_secs(5), length: Duration::from_secs(10) };
    // Numbers far from those of the measured calls: a key that was used before would only be answered from the store.
    let make = Arc::clone(call);
    let far: Make = Arc::new(move |client: &Client, n| make(client, n + (1 << 40)));
    Ok(load::run(far, shape).await?.rate() / 2.)
}

/// Connections that together make `rate` calls a second, evenly, until `end`.
fn connect(call: &Make, args: &Args, rate: f64, end: Instant, tally: &Arc<Tally>) -> anyhow::Result<JoinSet<()>> {
    let every = Duration::from_secs_f64(f64::from(args.connections) / rate);
    let (all, sent) = (args.connections, Arc::new(AtomicU64::new(0)));
    let mut connections = JoinSet::new();
    for number in 0..args.connections {
        let client = Client::builder().no_proxy().pool_max_idle_per_host(1).timeout(Duration::from_secs(60)).build()?;
        let (call, tally, sent) = (Arc::clone(call), Arc::clone(tally), Arc::clone(&sent));
        connections.spawn(async move {
            let mut beat = tokio::time::interval_at(Instant::now() + every * number / all, every);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while beat.tick().await < end {
                let status = load::answer(call(&client, sent.fetch_add(1, Ordering::Relaxed))).await;
                let count = if status == 200 { &tally.answered } else { &tally.refused };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(connections)
}

fn table(looks: &[Look], args: &Args, rate: f64) -> String {
    let mut text = format!(
        "Memory of the server through {} minutes: {} connections, {rate:.0} calls a second of {} accounts, each with an idempotency key of \
         its own\n\n| | resident MiB | calls | not 200 |\n|-|-|-|-|\n",
        args.minutes, args.connections, args.accounts
    );
    for Look { when, resident, answered, refused } in looks {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {when} | {resident:.1} | {answered} | {refused} |");
    }
    text
}
