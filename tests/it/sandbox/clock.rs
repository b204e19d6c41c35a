//! What takes a day at Stripe takes a test here.

use super::{Stand, text, told};

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_its_request_is_done_again() {
    let stand = Stand::start("", None).await;
    let create = || {
        let request = stand.request(reqwest::Method::POST, "/v1/customers").header("idempotency-key", "cus:1");
        request.form(&[("email", "a@example.com")])
    };
    let (_, first) = told(create()).await;
    stand.advance(24 * 3600 - 60).await;
    assert_eq!(told(create()).await.1["id"], first["id"], "still kept");
    stand.advance(120).await;
    let (status, second) = told(create()).await;
    assert_eq!(status, 200);
    assert_ne!(second["id"], first["id"], "the trap: the same key creates once more");
    assert_eq!(stand.get("/v1/customers?email=a@example.com").await["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_session_expires_by_itself_and_says_so() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let session = stand.top_up(&customer).await;
    stand.advance(24 * 3600 + 120).await;
    assert_eq!(stand.get(&format!("/v1/checkout/sessions/{session}")).await["status"], "expired");
    assert_eq!(stand.fill(&format!("/pay/{session}"), "4242424242424242").await.0, 410);
    assert!(stand.events().await.contains(&"checkout.session.expired".to_owned()));
}

#[tokio::test]
async fn a_test_clock_is_the_time_of_its_customers() {
    let stand = Stand::start("", None).await;
    let (_, clock) = stand.post("/v1/test_helpers/test_clocks", &[("frozen_time", "1800000000"), ("name", "ada")]).await;
    let clock = text(&clock, "id");
    let (_, customer) = stand.post("/v1/customers", &[("email", "ada@example.com"), ("test_clock", &clock)]).await;
    assert_eq!(customer["created"], 1_800_000_000);
    let invoice = stand.invoice(&text(&customer, "id"), "4200").await;
    let advance = format!("/v1/test_helpers/test_clocks/{clock}/advance");
    assert_eq!(stand.post(&advance, &[("frozen_time", "1799999999")]).await.0, 400, "forward only");
    assert_eq!(stand.post(&advance, &[("frozen_time", "1802678400")]).await.1["status"], "advancing");
    assert_eq!(stand.get(&format!("/v1/test_helpers/test_clocks/{clock}")).await["status"], "ready");
    assert_eq!(stand.fill(&format!("/invoice/{invoice}"), "4242424242424242").await.0, 303);
    let read = stand.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(read["status_transitions"]["finalized_at"], 1_800_000_000);
    assert_ne!(read["status_transitions"]["paid_at"], 1_800_000_000, "pages keep real time");
    let other = stand.customer().await;
    assert_ne!(stand.get(&format!("/v1/customers/{other}")).await["created"], 1_800_000_000);
    assert_eq!(stand.delete(&format!("/v1/test_helpers/test_clocks/{clock}")).await.1["deleted"], true);
}
