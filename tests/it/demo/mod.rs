//! The demo is the end-to-end test: the built program, its tour through the public surfaces, and a second start on the
//! data of the first.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Removed when the test ends, however it ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn demo(data: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lensmeter"))
        .args(["demo", "--once", "--port", "0", "--data"])
        .arg(data)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    let log = std::fs::read_to_string(data.join("demo.log")).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(20).collect();
    assert!(output.status.success(), "{}\n{said}\n{wrong}\nnewest first:\n{}", output.status, last.join("\n"));
    said
}

#[test]
fn the_tour_goes_from_sign_up_to_a_paid_invoice_and_a_second_start_finds_its_data() {
    let scratch = Scratch(std::env::temp_dir().join(format!("lensmeter-demo-{}", std::process::id())));
    let first = demo(&scratch.0);
    for step in [
        "✓ Start PostgreSQL",
        "✓ Sign up",
        "✓ Verify by the mailed link",
        "✓ Make an API key",
        "✓ Detect in a picture",
        "✓ Look at the usage",
        "✓ Top up 25.00 by card",
        "✓ Close the month",
        "✓ Invoice issued and paid",
        "✓ Invoice in the mail",
    ] {
        assert!(first.contains(step), "{step} is missing from:\n{first}");
    }
    assert!(first.contains("text_line") && first.contains("usd left"), "{first}");
    let pdf = std::fs::read(scratch.0.join("invoice.pdf")).expect("the mailed invoice");
    assert!(pdf.starts_with(b"%PDF-"));
    let saved = || -> serde_json::Value {
        let text = std::fs::read_to_string(scratch.0.join("demo.json")).expect("demo.json");
        serde_json::from_str(&text).expect("JSON")
    };
    let before = saved();
    for key in ["url", "email", "password", "api_key", "account_id", "admin_token", "sandbox_url", "mail_url", "database_url"] {
        assert!(before[key].as_str().is_some_and(|value| !value.is_empty()), "{key}");
    }

    let second = demo(&scratch.0);
    assert!(second.contains("✓ Log in again") && !second.contains("Sign up"), "{second}");
    // The call of the first tour and that of the second.
    assert!(second.contains("2 calls"), "{second}");
    for key in ["email", "api_key", "account_id"] {
        assert_eq!(saved()[key], before[key], "{key}");
    }
}
