//! Keys see what their scopes and their account let them see.

use entity::money::Nanos;
use reqwest::Method;

use super::{Api, json, problem};
use crate::support::make;

#[tokio::test]
async fn a_scope_is_needed_and_cannot_be_made_up() {
    let api = Api::start().await;
    let made = json(api.request(Method::POST, "/v1/keys").json(&serde_json::json!({ "name": "keys only", "scopes": ["keys"] }))).await;
    let narrow = made["secret"].as_str().expect("the whole key").to_owned();
    let with = |method, path: &str| api.anonymous(method, path).bearer_auth(&narrow);
    problem(with(Method::POST, "/v1/detect").body("x").send().await.expect("an answer"), 403, "scope").await;
    problem(with(Method::GET, "/v1/invoices").send().await.expect("an answer"), 403, "scope").await;
    let wider = with(Method::POST, "/v1/keys").json(&serde_json::json!({ "name": "wider", "scopes": ["billing"] }));
    problem(wider.send().await.expect("an answer"), 403, "scope").await;
    assert_eq!(json(with(Method::GET, "/v1/key")).await["id"], made["id"]);
    assert!(json(with(Method::GET, "/v1/keys")).await["data"][0].get("secret").is_none());
}

#[tokio::test]
async fn another_account_is_not_there() {
    let api = Api::start().await;
    let other = make::account(&api.db).await;
    make::credit(&api.db, &other, Nanos(1_000_000_000)).await;
    let (caller, _) = make::key(&api.db, &other).await;
    let path = format!("/v1/keys/{}", caller.key.id);
    for method in [Method::GET, Method::DELETE] {
        problem(api.request(method, &path).send().await.expect("an answer"), 404, "not_found").await;
    }
    let keys = api.get("/v1/keys").await;
    assert_eq!(keys["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(api.get("/v1/account").await["id"], api.account.id.to_string());
}
