//! The contract itself: that it is of our API version, and that it sees what it is there to see.

use std::process::Command;

use serde_json::Value;

use super::Stand;
use crate::support::sandbox::{program_file, sdk_folder};

#[test]
fn all_speak_one_version() {
    assert_eq!(lensmeter::sandbox::API_VERSION, stripe_client_core::VERSION.as_str());
    let Ok(text) = std::fs::read_to_string(sdk_folder().join("contract.json")) else {
        return eprintln!("skipped: there is no contract; scripts/setup builds it");
    };
    let contract: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(contract["info"]["version"], stripe_client_core::VERSION.as_str());
}

#[test]
fn its_own_checks_hold() {
    match Command::new("python3").arg(program_file("contract.py")).arg("selftest").output() {
        Ok(ended) => assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr)),
        Err(_) => eprintln!("skipped: there is no python3; scripts/setup installs it"),
    }
}

#[tokio::test]
async fn a_wrong_request_is_refused_and_fails_its_test() {
    let mut stand = Stand::start("", None).await;
    if stand.checked.api == stand.sandbox.stripe_url {
        return eprintln!("skipped: there is no contract; scripts/setup builds it");
    }
    let (status, refused) = stand.post("/v1/customers", &[("emial", "ada@example.com")]).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (400, Some("parameter_unknown")));
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stand.checked.stop())).expect_err("a violation");
    let text = failed.downcast_ref::<String>().expect("a message");
    assert!(text.contains("emial") && text.contains("POST /v1/customers"), "{text}");
}
