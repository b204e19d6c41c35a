//! A server that we are compared with, in a process of its own: a script of `scripts/peers/`, or a floor of ours.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// A running peer; killed when dropped.
pub struct Peer {
    child: Child,
    pub url: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The whole group: LitServe's workers are processes of their own, and outlive a parent that is killed.
        drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status());
        drop(self.child.wait());
    }
}

/// The Python that has the peers' packages.
fn python() -> String {
    std::env::var("LENSMETER_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Runs a script to its end.
///
/// # Errors
/// With what the script said when it failed: most often that a package is missing.
pub fn script(name: &str, argument: &Path) -> anyhow::Result<()> {
    let output = Command::new(python()).arg(Path::new("scripts/peers").join(name)).arg(argument).output();
    let output = output.with_context(|| format!("{} does not start", python()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}", said.lines().last().unwrap_or("failed without a word"));
    }
    Ok(())
}

/// Starts a serving script.
///
/// # Errors
/// When it ends or is not ready within a minute.
pub async fn serve(name: &str, model: &Path) -> anyhow::Result<Peer> {
    let port = free_port()?;
    let mut command = Command::new(python());
    command.arg(Path::new("scripts/peers").join(name)).arg(model).arg(port.to_string());
    start(command, port).await.with_context(|| name.to_owned())
}

/// Starts a server and waits until its `/health` answers.
///
/// # Errors
/// When it ends or is not ready within a minute.
pub async fn start(command: Command, port: u16) -> anyhow::Result<Peer> {
    start_at(command, port, "/health").await
}

/// The same for one that says at another path that it is ready.
///
/// # Errors
/// When it ends or is not ready within a minute.
pub async fn start_at(mut command: Command, port: u16, health: &str) -> anyhow::Result<Peer> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
    let mut peer = Peer { child: spawned.with_context(|| format!("{program} does not start"))?, url: format!("http://127.0.0.1:{port}") };
    ready(&format!("{}{health}", peer.url), || Ok(peer.child.try_wait()?.is_some())).await?;
    Ok(peer)
}

/// A port that nobody listens on now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits for a 200, at most a minute, as long as the process has not ended.
pub async fn ready(url: &str, mut ended: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    for _ in 0..600 {
        if ended()? {
            bail!("it ended before it was ready (is a package missing? see scripts/peers/README.md)");
        }
        if client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("it was not ready within a minute")
}
