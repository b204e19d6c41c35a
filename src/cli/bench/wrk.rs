//! wrk, which loads a server harder than a client written for comfort: the load of `lensmeter bench metering`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::platform::secret;

/// What one run came to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Outcome {
    requests: u64,
    microseconds: u64,
    /// Answers that were no 200.
    pub refused: u64,
    /// Requests without an answer.
    pub errors: u64,
    p50: u64,
    p99: u64,
}

impl Outcome {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / (self.microseconds as f64 / 1e6)
    }

    /// Half of the answers came within this many milliseconds.
    pub fn p50(&self) -> f64 {
        self.p50 as f64 / 1000.
    }

    /// 99 of 100 answers came within this many milliseconds.
    pub fn p99(&self) -> f64 {
        self.p99 as f64 / 1000.
    }
}

/// What is sent, and how.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub url: &'a str,
    /// A file with one key a line; each request takes the next.
    pub keys: &'a Path,
    /// A file with the body.
    pub body: &'a Path,
    pub content_type: &'a str,
    pub connections: u32,
    pub seconds: u32,
    /// Whether each request has an idempotency key of its own.
    pub keyed: bool,
    /// The core that wrk has to itself; any when there is none.
    pub core: Option<usize>,
}

/// Runs wrk.
///
/// # Errors
/// When it is not installed, or says something else than it should.
pub fn run(load: Load<'_>) -> anyhow::Result<Outcome> {
    let mut command = match load.core {
        None => Command::new("wrk"),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string(), "wrk"]);
            command
        }
    };
    command.args(["--threads", "1", "--timeout", "30s", "--script", "scripts/peers/load.lua"]);
    command.args(["--connections", &load.connections.to_string(), "--duration", &format!("{}s", load.seconds), load.url]);
    command.env("BODY", load.body).env("KEYS", load.keys).env("CONTENT_TYPE", load.content_type);
    if load.keyed {
        command.env("IDEMPOTENT", secret::token());
    }
    let output = command.output().context("wrk does not start: apt-get install wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.starts_with('{'));
    let Some(line) = line else { bail!("wrk said: {said}{}", String::from_utf8_lossy(&output.stderr)) };
    serde_json::from_str(line).context("wrk's script")
}
