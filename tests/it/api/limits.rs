//! Every answer of a metered route says where the limits stand, and a refusal says when to come back.

use reqwest::{Method, Response};
use serde_json::json;

use super::{Api, json as good, problem};
use crate::support::picture;

/// The parameter of a policy in one of the two fields: `"account";r=599;t=30`.
fn parameter(answer: &Response, field: &str, policy: &str, name: &str) -> u64 {
    let list = answer.headers().get(field).unwrap_or_else(|| panic!("no {field}")).to_str().expect("a text");
    let item = list.split(", ").find(|item| item.starts_with(&format!("\"{policy}\";"))).unwrap_or_else(|| panic!("{policy} in {list}"));
    let value = item.split(';').find_map(|part| part.strip_prefix(&format!("{name}="))).unwrap_or_else(|| panic!("{name} in {item}"));
    value.parse().expect("a number")
}

#[tokio::test]
async fn every_metered_answer_says_where_the_limits_stand() {
    let api = Api::start().await;
    let answer = api.detect().send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!((parameter(&answer, "ratelimit-policy", "account", "q"), parameter(&answer, "ratelimit-policy", "account", "w")), (600, 60));
    assert_eq!((parameter(&answer, "ratelimit", "account", "r"), parameter(&answer, "ratelimit", "burst", "r")), (599, 59));
    assert!((1..=60).contains(&parameter(&answer, "ratelimit", "account", "t")));
    let policies = answer.headers()["ratelimit-policy"].to_str().expect("a text");
    assert!(policies.contains("\"concurrency\";q=120;qu=\"concurrent-requests\""), "{policies}");

    // Refused for other reasons, before and after the body is read.
    for (status, request) in [
        (415, api.request(Method::POST, "/v1/detect").header("Content-Type", "text/plain").body("x")),
        (422, api.request(Method::POST, "/v1/detect").header("Content-Type", "image/png").body("")),
        (404, api.request(Method::POST, "/v1/detect?model=nobody").header("Content-Type", "image/png").body(picture::png(8, 8))),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), parameter(&answer, "ratelimit", "burst", "r") < 60), (status, true));
    }
    let read = api.request(Method::GET, "/v1/usage").send().await.expect("an answer");
    assert!(read.headers().get("ratelimit").is_none(), "reading is not metered");
    let stranger = api.anonymous(Method::POST, "/v1/detect").send().await.expect("an answer");
    assert!(stranger.headers().get("ratelimit").is_none(), "nobody's limits");
}

#[tokio::test]
async fn a_key_over_its_limit_is_told_when_to_come_back() {
    let api = Api::start().await;
    let made = good(api.request(Method::POST, "/v1/keys").json(&json!({ "name": "slow", "requests_per_minute": 3 }))).await;
    let slow = made["secret"].as_str().expect("the whole key").to_owned();
    let detect =
        || api.anonymous(Method::POST, "/v1/detect").header("Content-Type", "image/png").body(picture::png(96, 64)).bearer_auth(&slow);
    for left in [2, 1, 0] {
        let answer = detect().send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), parameter(&answer, "ratelimit", "key", "r")), (200, left));
        assert_eq!(parameter(&answer, "ratelimit-policy", "key", "q"), 3);
    }
    let before = api.books().await;
    let refused = detect().send().await.expect("an answer");
    let wait: u64 = refused.headers()["retry-after"].to_str().expect("a text").parse().expect("seconds");
    assert!(wait >= parameter(&refused, "ratelimit", "key", "t") && wait <= 60, "{wait}");
    assert_eq!(parameter(&refused, "ratelimit", "key", "r"), 0);
    assert_eq!(problem(refused, 429, "rate_limited").await["violated-policies"], json!(["key"]));
    assert_eq!(api.books().await, before);
    // The account's other key goes on.
    good(api.detect()).await;
}

#[tokio::test]
async fn two_processes_keep_one_limit() {
    let api = Api::start().await;
    let other = crate::support::process::serve(&api.db).await;
    let made = good(api.request(Method::POST, "/v1/keys").json(&json!({ "name": "slow", "requests_per_minute": 9 }))).await;
    let slow = made["secret"].as_str().expect("the whole key").to_owned();
    let client = reqwest::Client::new();
    let mut admitted = 0;
    for round in 0..30 {
        let url = if round % 2 == 0 { &api.served.url } else { &other.url };
        let call =
            client.post(format!("{url}/v1/detect")).header("Content-Type", "image/png").body(picture::png(96, 64)).bearer_auth(&slow);
        match call.send().await.expect("an answer").status().as_u16() {
            200 => admitted += 1,
            429 => {}
            status => panic!("{status}"),
        }
    }
    assert_eq!(admitted, 9);
}
