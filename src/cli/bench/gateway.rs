//! `lensmeter bench gateway`: a metered call beside one through LiteLLM's proxy, whose model answers without a network.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::house;
use super::peer::{self, Peer};
use super::wrk::{self, Load, Outcome};

/// Options of `lensmeter bench gateway`.
#[derive(clap::Args)]
pub struct Args {
    /// Connections, each measured
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256])]
    connections: Vec<u32>,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Times that each is measured, in turn; the median counts
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// LiteLLM's program
    #[arg(long, default_value = "litellm")]
    litellm: PathBuf,
    /// Processes that LiteLLM serves with
    #[arg(long, default_value_t = 2)]
    workers: u32,
}

/// The proxy as its documentation measures it: the call goes through keys, router and client, and no byte leaves.
const LITELLM: &str = "\
model_list:
  - model_name: mock
    litellm_params: {model: openai/mock, api_key: none}
litellm_settings: {network_mock: true, num_retries: 0}
general_settings: {master_key: sk-bench}
";
const QUESTION: &str = r#"{"model":"mock","messages":[{"role":"user","content":"What is on the picture?"}]}"#;

struct Contestant {
    name: String,
    url: String,
    keys: PathBuf,
    body: PathBuf,
    content_type: &'static str,
    /// For each count of connections, each round's outcome.
    outcomes: Vec<Vec<Outcome>>,
}

/// Measures and prints.
///
/// # Errors
/// When wrk or LiteLLM is missing, or a server does not start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let house = house::start(Path::new("models"), 1, &[]).await?;
    let file = |name: &str, text: &[u8]| {
        let path = house.folder().join(name);
        fs::write(&path, text).map(|()| path)
    };
    let (own_key, master) = (file("own", house.api_keys[0].as_bytes())?, file("master", b"sk-bench")?);
    let (picture, question) = (file("picture.png", &super::memory::picture())?, file("question.json", QUESTION.as_bytes())?);
    let port = peer::free_port()?;
    let mut floor = Command::new(std::env::current_exe()?);
    floor.args(["bench", "floor", "--listen", &format!("127.0.0.1:{port}")]);
    let floor = peer::start(floor, port).await?;
    let litellm = litellm(&args, &file("litellm.yaml", LITELLM.as_bytes())?).await?;
    let contestant = |name: &str, url: String, keys: &PathBuf, (body, content_type): (&PathBuf, &'static str)| Contestant {
        name: name.to_owned(),
        url,
        keys: keys.clone(),
        body: body.clone(),
        content_type,
        outcomes: vec![Vec::new(); args.connections.len()],
    };
    let (image, json) = ((&picture, "image/png"), (&question, "application/json"));
    let mut contestants = [
        contestant("an unmetered route", format!("{}/v1/detect", floor.url), &own_key, image),
        contestant("Lensmeter, one hot account", format!("{}/v1/detect", house.url), &own_key, image),
        contestant("LiteLLM proxy", format!("{}/v1/chat/completions", litellm.url), &master, json),
    ];
    for round in 0..=args.rounds {
        for contestant in &mut contestants {
            contestant.measure(&args, round)?;
        }
    }
    println!("{}", table(&contestants, &args));
    Ok(())
}

async fn litellm(args: &Args, config: &Path) -> anyhow::Result<Peer> {
    let port = peer::free_port()?;
    let mut command = Command::new(&args.litellm);
    command.arg("--config").arg(config).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--num_workers", &args.workers.to_string()]);
    // It would ask the network for prices when it starts.
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR").env("NO_PROXY", "*");
    peer::start_at(command, port, "/health/liveliness").await
}

impl Contestant {
    /// One run for each count of connections. The round 0 warms up.
    fn measure(&mut self, args: &Args, round: usize) -> anyhow::Result<()> {
        for (at, &connections) in args.connections.iter().enumerate() {
            let (seconds, Self { url, keys, body, content_type, .. }) = (if round == 0 { 2 } else { args.seconds }, &*self);
            let outcome = wrk::run(Load { url, keys, body, content_type, connections, keyed: false, seconds, core: None })?;
            eprintln!("round {round}, {connections:>4} connections: {:>8.0}/s  {}", outcome.rate(), self.name);
            if round > 0 {
                self.outcomes[at].push(outcome);
            }
        }
        Ok(())
    }
}

fn table(contestants: &[Contestant], args: &Args) -> String {
    let mut text = format!(
        "A call through a gateway, {} rounds of {} s in turn, medians; LiteLLM with {} processes, a master key, no database, its model mocked\n\n| |",
        args.rounds, args.seconds, args.workers
    );
    // Writing to a String cannot fail.
    for connections in &args.connections {
        let _ = write!(text, " {connections} connections: req/s | p50 / p99 ms | not 200 |");
    }
    text += "\n|-|";
    text += &"-|-|-|".repeat(args.connections.len());
    text += "\n";
    for contestant in contestants {
        let _ = write!(text, "| {} |", contestant.name);
        for outcomes in &contestant.outcomes {
            let mut outcomes = outcomes.clone();
            outcomes.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
            let refused: u64 = outcomes.iter().map(|outcome| outcome.refused + outcome.errors).sum();
            let median = outcomes[outcomes.len() / 2];
            let _ = write!(text, " {:.0} | {:.2} / {:.2} | {refused} |", median.rate(), median.p50(), median.p99());
        }
        text += "\n";
    }
    text
}
