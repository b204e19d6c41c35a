//! A retry with the same key gets the same answer and costs nothing.

use super::{Api, problem};

#[tokio::test]
async fn a_replay_is_the_same_answer_free_of_charge() {
    let api = Api::start().await;
    let send = || async { api.detect().header("Idempotency-Key", "one").send().await.expect("an answer") };
    let first = send().await;
    assert!(first.status().is_success());
    assert!(first.headers().get("idempotency-replayed").is_none());
    assert!(first.headers()["server-timing"].to_str().is_ok_and(|timing| timing.contains("infer;dur=")));
    let first = first.bytes().await.expect("a body");
    let after_first = api.books().await;
    assert_eq!(after_first.1, 1);

    let second = send().await;
    assert_eq!(second.headers()["idempotency-replayed"], "true");
    assert_eq!(second.bytes().await.expect("a body"), first);
    assert_eq!(api.books().await, after_first);

    let other = api.detect().header("Idempotency-Key", "one").query(&[("max_results", "1")]);
    problem(other.send().await.expect("an answer"), 422, "idempotency_mismatch").await;
    assert_eq!(api.books().await, after_first);
}
