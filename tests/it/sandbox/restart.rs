//! A sandbox that was stopped finds its objects, its mails, its stored answers and its unsent webhooks.

use std::path::PathBuf;

use super::{Stand, mail::send, text, told};

fn fresh_file() -> PathBuf {
    std::env::temp_dir().join(format!("lensmeter-sandbox-{}", uuid::Uuid::new_v4().simple())).join("state.jsonl")
}

#[tokio::test]
async fn keeps_its_state() {
    let file = fresh_file();
    // Nobody listens at port 9: what is to be sent stays to be sent.
    let mut stand = Stand::start("http://127.0.0.1:9/hook", Some(file.clone())).await;
    let customer = stand.customer().await;
    let session = stand.top_up(&customer).await;
    assert_eq!(stand.fill(&format!("/pay/{session}"), "4242424242424242").await.0, 303);
    let invoice = stand.invoice(&customer, "777").await;
    let keyed = |stand: &Stand| stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "k").form(&[("name", "B")]);
    let (_, first) = told(keyed(&stand)).await;
    send(&stand, "Kept", "text").await;
    stand.checked.stop();

    // Cut in the middle of its last line, as by a kill.
    let mut bytes = std::fs::read(&file).expect("the journal");
    bytes.extend_from_slice(b"{\"object\":{\"id\":\"torn");
    std::fs::write(&file, bytes).expect("written");

    let stand = Stand::start("http://127.0.0.1:9/hook", Some(file.clone())).await;
    let kept = stand.get(&format!("/v1/checkout/sessions/{session}")).await;
    assert_eq!(kept["payment_status"], "paid");
    let kept = stand.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (kept["status"].as_str(), kept["total"].as_i64(), kept["lines"]["data"][0]["metadata"]["line_id"].as_str()),
        (Some("open"), Some(777), Some("7"))
    );
    assert!(text(&kept, "hosted_invoice_url").starts_with(&stand.sandbox.stripe_url), "links lead to where it is now");
    assert_eq!(told(keyed(&stand)).await.1, first, "the stored answer");
    let log: serde_json::Value =
        stand.http.get(format!("{}/sandbox/deliveries", stand.sandbox.stripe_url)).send().await.expect("sent").json().await.expect("JSON");
    assert!(log["pending"].as_u64().is_some_and(|pending| pending > 5), "{log}");
    let mails: serde_json::Value =
        stand.http.get(format!("{}/messages", stand.sandbox.mail_url)).send().await.expect("sent").json().await.expect("JSON");
    assert_eq!(mails[0]["subject"], "Kept");
    // The folder is ours alone, and temporary.
    let _ = std::fs::remove_dir_all(file.parent().expect("a folder"));
}
