//! `lensmeter bench metering`: what a metered call costs beside an unmetered one, and beside how others meter.

use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{ImageFormat, RgbImage};

use super::house::{self, House};
use super::own;
use super::peer::{self, Peer};
use super::wrk::{self, Load, Outcome};

/// Options of `lensmeter bench metering`.
#[derive(clap::Args)]
pub struct Args {
    /// Connections, each measured
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1000])]
    connections: Vec<u32>,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Times that each is measured, in turn; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Accounts of the run that is not one hot account
    #[arg(long, default_value_t = 1000)]
    accounts: usize,
    /// Leave out the peers
    #[arg(long)]
    alone: bool,
    /// Give wrk this core; `taskset --cpu-list 0 lensmeter bench metering --client-core 1` gives everything else the other
    #[arg(long, value_name = "CORE")]
    client_core: Option<usize>,
}

struct Contestant {
    name: String,
    url: String,
    keys: PathBuf,
    /// Whether each request has an idempotency key of its own.
    keyed: bool,
    /// For each count of connections, each round's outcome.
    outcomes: Vec<Vec<Outcome>>,
}

/// Measures and prints.
///
/// # Errors
/// When wrk is missing or a server does not start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let house = house::start(Path::new("models"), args.accounts, &[]).await?;
    let folder = house.folder().to_owned();
    let body = folder.join("picture.png");
    fs::write(&body, small_picture())?;
    let (one, many) = (folder.join("key"), folder.join("keys"));
    fs::write(&one, &house.api_keys[0])?;
    fs::write(&many, house.api_keys.join("\n"))?;
    let unmetered = floor(&[]).await?;
    let per_request = floor(&["--database", house.database_url()]).await?;
    let mut contestants = vec![
        contestant("(c) the same route, unmetered", &unmetered.url, &one),
        contestant("(b) Lensmeter, one hot account", &house.url, &one),
        Contestant { keyed: true, ..contestant("(b) the same, each call with an idempotency key", &house.url, &one) },
        contestant(&format!("(b) Lensmeter, {} accounts", args.accounts), &house.url, &many),
        contestant("(a) a transaction per request, one hot account", &per_request.url, &one),
    ];
    let peers = if args.alone { Vec::new() } else { peers(&folder, &one, &mut contestants).await };
    warm(&contestants, &body, args.client_core)?;
    let before = own::shares(&house.url).await?;
    for round in 1..=args.rounds {
        for contestant in &mut contestants {
            for (at, &connections) in args.connections.iter().enumerate() {
                let load = Load {
                    url: &contestant.url,
                    keys: &contestant.keys,
                    body: &body,
                    content_type: "image/png",
                    connections,
                    keyed: contestant.keyed,
                    seconds: args.seconds,
                    core: args.client_core,
                };
                let outcome = wrk::run(load)?;
                eprintln!("round {round}, {connections:>4} connections: {:>8.0}/s  {}", outcome.rate(), contestant.name);
                contestant.outcomes.resize_with(args.connections.len(), Vec::new);
                contestant.outcomes[at].push(outcome);
            }
        }
    }
    println!("{}", table(&contestants, &args, &house));
    println!("{}", within(&contestants, &args));
    println!("{}", own::table(&before, &own::shares(&house.url).await?)?);
    drop((unmetered, per_request, peers));
    Ok(())
}

fn contestant(name: &str, url: &str, keys: &Path) -> Contestant {
    Contestant { name: name.to_owned(), url: format!("{url}/v1/detect"), keys: keys.to_owned(), keyed: false, outcomes: Vec::new() }
}

async fn floor(arguments: &[&str]) -> anyhow::Result<Peer> {
    let port = peer::free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "floor", "--listen", &format!("127.0.0.1:{port}")]).args(arguments);
    peer::start(command, port).await
}

async fn peers(folder: &Path, keys: &Path, contestants: &mut Vec<Contestant>) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (name, file) in [("FastAPI + SQLite", "fastapi_sqlite.py")] {
        match peer::serve(file, folder).await {
            Ok(peer) => {
                contestants.push(contestant(name, &peer.url, keys));
                peers.push(peer);
            }
            Err(error) => eprintln!("{name} is left out: {error:#}"),
        }
    }
    peers
}

/// One short run each: leases, caches and pools fill.
fn warm(contestants: &[Contestant], body: &Path, core: Option<usize>) -> anyhow::Result<()> {
    for contestant in contestants {
        let Contestant { url, keys, keyed, .. } = contestant;
        let load = Load { url, keys, body, content_type: "image/png", connections: 64, keyed: *keyed, seconds: 3, core };
        let outcome = wrk::run(load)?;
        if outcome.refused > 0 || outcome.errors > 0 {
            eprintln!("{}: {} answers were no 200, {} requests had none", contestant.name, outcome.refused, outcome.errors);
        }
    }
    Ok(())
}

/// As small as a picture can be for a network: the call without its inference is what is measured.
fn small_picture() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::new(64, 64).write_to(&mut bytes, ImageFormat::Png).expect("memory takes a picture");
    bytes.into_inner()
}

fn table(contestants: &[Contestant], args: &Args, house: &House) -> String {
    let mut text = format!(
        "A metered call with a cached result: key, limits, decoding, lookup, durable commit, receipt; {} rounds of {} s in turn, medians; \
         server, PostgreSQL and wrk share {} cores; server holds {:.0} MiB\n\n| |",
        args.rounds,
        args.seconds,
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        house.resident()
    );
    // Writing to a String cannot fail.
    for connections in &args.connections {
        let _ = write!(text, " {connections} connections: req/s | of (c) | p50 / p99 ms |");
    }
    text += "\n|-|";
    text += &"-|-|-|".repeat(args.connections.len());
    text += "\n";
    for contestant in contestants {
        let _ = write!(text, "| {} |", contestant.name);
        for (at, outcomes) in contestant.outcomes.iter().enumerate() {
            let (own, floor) = (median(outcomes), median(&contestants[0].outcomes[at]));
            let refused: u64 = outcomes.iter().map(|outcome| outcome.refused + outcome.errors).sum();
            let note = if refused > 0 { format!(" ({refused} not 200)") } else { String::new() };
            let _ = write!(text, " {:.0}{note} | {:.2} | {:.2} / {:.2} |", own.rate(), own.rate() / floor.rate(), own.p50(), own.p99());
        }
        text += "\n";
    }
    text
}

/// Bounds on p99, in milliseconds.
const BOUNDS: [f64; 4] = [5., 10., 50., 100.];

/// What each serves at most while 99 of 100 answers come within a bound, over all counts of connections: the more of them, the
/// more is served and the longer each waits.
fn within(contestants: &[Contestant], args: &Args) -> String {
    let place = args.client_core.map_or_else(|| "wrk on any core".to_owned(), |core| format!("wrk alone on core {core}"));
    let counts = args.connections.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("Most requests a second within a p99 ({place}; {counts} connections tried)\n\n|");
    // Writing to a String cannot fail.
    for bound in BOUNDS {
        let _ = write!(text, " | p99 ≤ {bound} ms");
    }
    text += " |\n|-|-|-|-|-|\n";
    for contestant in contestants {
        let _ = write!(text, "| {} |", contestant.name);
        for bound in BOUNDS {
            let tried = args.connections.iter().zip(&contestant.outcomes).map(|(connections, outcomes)| (*connections, median(outcomes)));
            let best = tried.filter(|(_, outcome)| outcome.p99() <= bound).max_by(|a, b| a.1.rate().total_cmp(&b.1.rate()));
            let _ = match best {
                Some((connections, outcome)) => write!(text, " {:.0} ({connections}) |", outcome.rate()),
                None => write!(text, " – |"),
            };
        }
        text += "\n";
    }
    text
}

/// By rate.
fn median(outcomes: &[Outcome]) -> Outcome {
    let mut outcomes = outcomes.to_vec();
    outcomes.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    outcomes[outcomes.len() / 2]
}
