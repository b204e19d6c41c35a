//! The plans, and changing the subscription over the API.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, json as good, problem};

async fn change(api: &Api, path: &str, body: &Value) -> Value {
    good(api.request(Method::POST, path).json(body)).await
}

#[tokio::test]
async fn a_plan_is_previewed_chosen_and_counts_for_the_next_call() {
    let api = Api::start().await;
    let plans = api.get("/v1/plans").await;
    let ids: Vec<&str> = plans["data"].as_array().expect("a list").iter().filter_map(|plan| plan["id"].as_str()).collect();
    assert_eq!(ids, ["standard", "growth"], "the lowest fee first");
    assert_eq!(plans["data"][0]["prices"][1]["price"], "0.0015 up to 10000, then 0.001");
    assert_eq!(good(api.detect()).await["usage"]["amount"], "0.0015");

    let asked = json!({ "action": "change", "plan": "growth" });
    let preview = change(&api, "/v1/subscription/preview", &asked).await;
    assert_eq!((&preview["object"], &preview["plan"]["name"]), (&json!("subscription_preview"), &json!("Growth")));
    // A trial owes no fee; its call is paid by the gift.
    assert_eq!(preview["today"]["total"], "0.00");
    assert_eq!(api.get("/v1/subscription").await["plan"]["name"], "Standard", "a preview changes nothing");

    let changed = change(&api, "/v1/subscription", &asked).await;
    assert_eq!(
        (&changed["status"], &changed["plan"]["name"], &changed["plan"]["base_fee"]),
        (&json!("active"), &json!("Growth"), &json!("25.00"))
    );
    assert_eq!(changed["period_start"], changed["started_at"]);
    assert_eq!(good(api.detect()).await["usage"]["amount"], "0.00", "the first 20,000 are included");

    let later = change(&api, "/v1/subscription", &json!({ "action": "change", "plan": "standard", "when": "period_end" })).await;
    assert_eq!((&later["at_period_end"], &later["next_plan"]["name"]), (&json!("change"), &json!("Standard")));
    let undone = change(&api, "/v1/subscription", &json!({ "action": "undo" })).await;
    assert_eq!(undone.get("at_period_end"), None);
}

#[tokio::test]
async fn a_paused_account_is_told_how_to_go_on() {
    let api = Api::start().await;
    assert_eq!(change(&api, "/v1/subscription", &json!({ "action": "pause" })).await["status"], "paused");
    let refused = problem(api.detect().send().await.expect("an answer"), 403, "not_in_plan").await;
    assert!(refused["detail"].as_str().expect("a text").starts_with("The subscription is paused: resume it"), "{refused}");
    assert_eq!(change(&api, "/v1/subscription", &json!({ "action": "resume" })).await["status"], "active");
    good(api.detect()).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_names_the_field() {
    let api = Api::start().await;
    for (body, status, code, field) in [
        (json!({}), 422, "missing_field", "action"),
        (json!({ "action": "fly" }), 422, "invalid_field", "action"),
        (json!({ "action": "change" }), 422, "missing_field", "plan"),
        (json!({ "action": "change", "plan": 7 }), 422, "invalid_field", "plan"),
        (json!({ "action": "change", "plan": "nobody" }), 422, "invalid_field", "plan"),
        (json!({ "action": "change", "plan": "growth", "when": "tomorrow" }), 422, "invalid_field", "when"),
        (json!({ "action": "cancel", "when": "now" }), 422, "invalid_field", "when"),
        (json!({ "action": "pause", "plan": "growth" }), 422, "invalid_field", "plan"),
        (json!({ "action": "undo", "why": "because" }), 422, "unknown_field", "why"),
        (json!({ "action": "undo" }), 409, "subscription_state", ""),
        (json!({ "action": "resume" }), 409, "subscription_state", ""),
        (json!({ "action": "change", "plan": "standard" }), 409, "subscription_state", ""),
    ] {
        for path in ["/v1/subscription", "/v1/subscription/preview"] {
            let refused = problem(api.request(Method::POST, path).json(&body).send().await.expect("an answer"), status, code).await;
            assert!(field.is_empty() || refused["errors"].to_string().contains(field), "{body}: {refused}");
        }
    }
    assert_eq!(api.get("/v1/subscription").await["status"], "active");
    let stranger = api.anonymous(Method::POST, "/v1/subscription").json(&json!({ "action": "pause" })).send().await.expect("an answer");
    problem(stranger, 401, "invalid_key").await;
    let made = good(api.request(Method::POST, "/v1/keys").json(&json!({ "name": "calls", "scopes": ["infer"] }))).await;
    for path in ["/v1/subscription", "/v1/plans"] {
        let request = api.anonymous(Method::GET, path).bearer_auth(made["secret"].as_str().expect("a key"));
        problem(request.send().await.expect("an answer"), 403, "scope").await;
    }
}
