//! Stripe's own packages talk to the sandbox and find what they expect, their own verifier of webhooks included.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use super::Stand;
use crate::support::sandbox::{program_file, sdk_folder};

/// Runs a scenario to its line of JSON; `None`, with the reason, where what it needs is missing.
async fn told(mut command: Command) -> Option<Value> {
    if !sdk_folder().join("pins").exists() {
        eprintln!("skipped: Stripe's packages are not in {}; scripts/setup brings them", sdk_folder().display());
        return None;
    }
    // The sandbox is on this machine, whatever proxy it has for the rest of the world.
    command.env("NO_PROXY", "*").env("no_proxy", "*").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let Ok(child) = command.spawn() else {
        eprintln!("skipped: {:?} is not on the PATH; scripts/setup installs it", command.as_std().get_program());
        return None;
    };
    let ended = child.wait_with_output().await.expect("our own child");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Some(serde_json::from_slice(&ended.stdout).expect("a line of JSON"))
}

fn expected() -> Value {
    json!({
        "setup": "complete", "top_up": "paid", "invoice": "paid", "paid": 4000, "refund": "succeeded", "declined": "card_declined",
        "events": true, "webhooks": ["checkout.session.completed", "invoice.paid", "refund.created"],
    })
}

#[tokio::test]
async fn stripe_python_runs_its_scenario() {
    let stand = Stand::start("", None).await;
    let mut command = Command::new("python3");
    command.arg(program_file("scenario.py")).arg(&stand.checked.api).env("PYTHONPATH", sdk_folder().join("python"));
    if let Some(told) = told(command).await {
        assert_eq!(told, expected());
    }
}

#[tokio::test]
async fn stripe_node_runs_its_scenario() {
    let stand = Stand::start("", None).await;
    if node_version() < 20 {
        eprintln!("skipped: Stripe's package asks for node 20 or newer");
        return;
    }
    let mut command = Command::new("node");
    // A folder that ends in a slash is where `require` looks from.
    let folder = format!("{}/", sdk_folder().display());
    command.arg(program_file("scenario.mjs")).arg(folder).arg(&stand.checked.api);
    if let Some(told) = told(command).await {
        assert_eq!(told, expected());
    }
}

/// 0 when there is none. Debian 12's own is 18.
fn node_version() -> u32 {
    let said = std::process::Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let major = String::from_utf8_lossy(&said).trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    major.unwrap_or(0)
}
