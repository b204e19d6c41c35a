//! The sandbox, with Stripe's contract between it and us: what either side says that Stripe would not fails the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use lensmeter::sandbox::{self, Sandbox, Settings};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_test";

/// A running sandbox; it ends with this.
pub struct Checked {
    /// Its own addresses: hosted pages, mail, and requests that are wrong on purpose.
    pub sandbox: Sandbox,
    /// Where Stripe's API is asked through the contract.
    pub api: String,
    contract: Option<Contract>,
    stop: Option<DropGuard>,
}

impl Checked {
    /// Starts one that sends its webhooks there; empty: nowhere.
    pub async fn start(webhook_url: &str, state_file: Option<PathBuf>) -> Self {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let settings = Settings {
            stripe_listen: any,
            mail_listen: any,
            smtp_listen: any,
            webhook_url: webhook_url.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            state_file,
            live_key_present: false,
        };
        let stop = CancellationToken::new();
        let sandbox = sandbox::start(settings, stop.clone()).await.expect("the sandbox starts");
        let upstream = sandbox.stripe_url.clone();
        let contract = tokio::task::spawn_blocking(move || Contract::between(&upstream)).await.expect("no panic before");
        let api = contract.as_ref().map_or(&sandbox.stripe_url, |contract| &contract.url).clone();
        Self { sandbox, api, contract, stop: Some(stop.drop_guard()) }
    }

    /// Stops it, as a restart would, and checks what was said.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        let Some(contract) = self.contract.take() else { return };
        let violations = contract.end();
        // A test that fails anyway shall tell why it fails.
        assert!(violations.is_empty() || std::thread::panicking(), "against Stripe's contract:\n{}", violations.join("\n"));
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where scripts/setup put Stripe's own packages.
pub fn sdk_folder() -> PathBuf {
    let own = std::env::var_os("LENSMETER_STRIPE_SDK").map(PathBuf::from);
    own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".stripe"))
}

/// A program of `tests/stripe`.
pub fn program_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe").join(name)
}

/// `tests/stripe/proxy.py` before a sandbox.
struct Contract {
    url: String,
    proxy: Child,
    told: BufReader<ChildStdout>,
}

impl Contract {
    /// `None`, with the reason, where the contract or Python is missing.
    fn between(upstream: &str) -> Option<Self> {
        let contract = sdk_folder().join("contract.json");
        if !contract.exists() {
            eprintln!("not checked against Stripe's contract: {} is missing; scripts/setup brings it", contract.display());
            return None;
        }
        let mut command = Command::new("python3");
        command.arg(program_file("proxy.py")).arg("--contract").arg(contract).args(["--upstream", upstream, "--strict"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut proxy) = spawned else {
            eprintln!("not checked against Stripe's contract: there is no python3; scripts/setup installs it");
            return None;
        };
        let mut told = BufReader::new(proxy.stdout.take().expect("it is piped"));
        let mut url = String::new();
        told.read_line(&mut url).expect("a pipe");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "the contract's proxy did not start: {url:?}");
        Some(Self { url, proxy, told })
    }

    /// Ends the proxy; what it saw that Stripe would not say, a line each.
    fn end(mut self) -> Vec<String> {
        // The end of its input is its sign to end.
        drop(self.proxy.stdin.take());
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("a text");
        self.proxy.wait().expect("our own child");
        assert!(rest.contains(r#"{"counts": "#), "the contract's proxy ended before its time: {rest}");
        rest.lines().filter(|line| !line.starts_with(r#"{"counts": "#)).map(str::to_owned).collect()
    }
}
