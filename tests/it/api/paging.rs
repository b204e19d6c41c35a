//! Lists are read page by page, in both directions, without a gap.

use serde_json::Value;

use super::{Api, json};

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().expect("a list").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_follow_one_another_without_a_gap() {
    let api = Api::start().await;
    for _ in 0..5 {
        json(api.detect()).await;
    }
    let all = ids(&api.get("/v1/usage/events").await);
    assert_eq!(all.len(), 5);
    let first = api.get("/v1/usage/events?limit=2").await;
    assert_eq!((first["object"].as_str(), first["has_more"].as_bool()), (Some("list"), Some(true)));
    let second = api.get(&format!("/v1/usage/events?limit=2&after={}", all[1])).await;
    let third = api.get(&format!("/v1/usage/events?limit=2&after={}", all[3])).await;
    assert_eq!(third["has_more"], false);
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), all);
    let back = api.get(&format!("/v1/usage/events?limit=2&before={}", all[3])).await;
    assert_eq!(ids(&back), all[1..3]);
    assert_eq!(back["has_more"], true);
}

#[tokio::test]
async fn the_sums_are_those_of_the_events() {
    let api = Api::start().await;
    for _ in 0..3 {
        json(api.detect()).await;
    }
    for by in ["day", "model", "key"] {
        let usage = api.get(&format!("/v1/usage?group_by={by}")).await;
        assert_eq!((usage["total"]["events"].as_i64(), usage["total"]["quantity"].as_i64()), (Some(3), Some(3)), "{by}");
        assert_eq!(usage["data"].as_array().map(Vec::len), Some(1), "{by}");
    }
    let quote = json(api.request(reqwest::Method::POST, "/v1/quote").json(&serde_json::json!({ "images": 3 }))).await;
    assert_eq!(quote["amount"], api.get("/v1/usage").await["total"]["amount"]);
    let table = api.request(reqwest::Method::GET, "/v1/usage.csv").send().await.expect("an answer");
    assert_eq!(table.headers()["content-type"], "text/csv");
    assert_eq!(table.text().await.expect("a table").lines().count(), 4);
}
