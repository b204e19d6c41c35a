//! Keys see what their scopes and their account let them see.

use entity::money::Nanos;
use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use sea_orm::ConnectionTrait as _;
use serde_json::Value;

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

/// A second key with these settings: its id and its text.
async fn made(api: &Api, settings: Value) -> (String, String) {
    let made = json(api.request(Method::POST, "/v1/keys").json(&settings)).await;
    (made["id"].as_str().expect("an id").to_owned(), made["secret"].as_str().expect("the whole key").to_owned())
}

/// A key as it is shown, without what using it changes.
fn settings(mut key: Value) -> Value {
    key.as_object_mut().expect("a key").remove("last_used_at");
    key
}

#[tokio::test]
async fn a_key_is_made_and_changed_with_every_limit() {
    let api = Api::start().await;
    let limits = serde_json::json!({
        "name": "till 4", "scopes": ["usage", "infer"], "models": ["elements"], "allowed_ips": ["127.0.0.1", "10.1.2.3/8"],
        "expires_at": "2099-01-31T12:00:00+08:00", "requests_per_minute": 50, "budgets": { "day": "1.5", "month": "20" },
        "metadata": { "shop": "Berlin 4" },
    });
    let (id, text) = made(&api, limits).await;
    let path = format!("/v1/keys/{id}");
    let shown = api.get(&path).await;
    assert_eq!(shown["scopes"], serde_json::json!(["infer", "usage"]));
    assert_eq!(shown["models"], serde_json::json!(["elements"]));
    assert_eq!(shown["allowed_ips"], serde_json::json!(["10.0.0.0/8", "127.0.0.1/32"]));
    assert!(shown["expires_at"].as_str().is_some_and(|end| end.starts_with("2099-01-31T04:00:00")));
    assert_eq!(shown["requests_per_minute"], 50);
    assert_eq!(shown["metadata"]["shop"], "Berlin 4");
    assert_eq!(shown["budgets"]["day"], serde_json::json!({ "amount": "1.50", "spent": "0.00", "remaining": "1.50" }));
    assert!(shown["budgets"].get("week").is_none() && shown.get("secret").is_none());
    assert_eq!(settings(json(api.anonymous(Method::GET, "/v1/key").bearer_auth(&text)).await), settings(shown.clone()));

    let patch = |body: Value| api.request(Method::PATCH, &path).json(&body);
    let changed = json(patch(serde_json::json!({
        "name": "till 5", "models": null, "allowed_ips": null, "expires_at": null, "requests_per_minute": null,
        "budgets": { "day": null, "week": "3" }, "metadata": {},
    })))
    .await;
    assert_eq!((&changed["name"], &changed["scopes"]), (&"till 5".into(), &shown["scopes"]));
    for gone in ["models", "allowed_ips", "expires_at", "requests_per_minute"] {
        assert!(changed.get(gone).is_none(), "{gone}");
    }
    let budgets = &changed["budgets"];
    assert_eq!((budgets.get("day"), &budgets["week"]["amount"], &budgets["month"]["amount"]), (None, &"3.00".into(), &"20.00".into()));
    assert_eq!(settings(json(patch(serde_json::json!({}))).await), settings(changed.clone()), "nothing asked, nothing changed");

    for (what, wrong, field) in [
        ("a name", serde_json::json!({ "name": " " }), "name"),
        ("no scope", serde_json::json!({ "scopes": [] }), "scopes"),
        ("a scope that is none", serde_json::json!({ "scopes": ["root"] }), "scopes"),
        ("a model that is none", serde_json::json!({ "models": ["elemants"] }), "models"),
        ("no model", serde_json::json!({ "models": [] }), "models"),
        ("no network", serde_json::json!({ "allowed_ips": [] }), "allowed_ips"),
        ("a network that is none", serde_json::json!({ "allowed_ips": ["10.0.0.0/64"] }), "allowed_ips"),
        ("an end in the past", serde_json::json!({ "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        ("an end that is none", serde_json::json!({ "expires_at": "tomorrow" }), "expires_at"),
        ("no call at all", serde_json::json!({ "requests_per_minute": 0 }), "requests_per_minute"),
        ("half a call", serde_json::json!({ "requests_per_minute": 0.5 }), "requests_per_minute"),
        ("a debt", serde_json::json!({ "budgets": { "day": "-1" } }), "budgets.day"),
        ("a float", serde_json::json!({ "budgets": { "day": 1.5 } }), "day"),
        ("notes without end", serde_json::json!({ "metadata": { "a": "x".repeat(501) } }), "metadata"),
        ("notes that are no texts", serde_json::json!({ "metadata": { "a": 1 } }), "metadata"),
    ] {
        let document = problem(patch(wrong).send().await.expect("an answer"), 422, "invalid_field").await;
        assert_eq!(document["errors"][0]["field"], field, "{what}");
    }
    problem(patch(serde_json::json!({ "colour": 1 })).send().await.expect("an answer"), 422, "unknown_field").await;
    assert_eq!(settings(api.get(&path).await), settings(changed), "what was refused changed nothing");
    json(api.request(Method::DELETE, &path)).await;
    problem(patch(serde_json::json!({ "name": "back" })).send().await.expect("an answer"), 409, "key_inactive").await;
}

#[tokio::test]
async fn a_key_hands_on_no_more_than_it_has() {
    let api = Api::start().await;
    let narrow = serde_json::json!({
        "name": "manager", "scopes": ["infer", "keys"], "models": ["elements"], "allowed_ips": ["127.0.0.0/8"],
        "expires_at": "2099-01-01T00:00:00Z", "requests_per_minute": 50, "budgets": { "day": "1" },
    });
    let (manager_id, manager) = made(&api, narrow.clone()).await;
    let with = |method, path: &str| api.anonymous(method, path).bearer_auth(&manager);
    // The same again is fine, and less.
    let (child_id, _) = {
        let made = json(with(Method::POST, "/v1/keys").json(&narrow)).await;
        (made["id"].as_str().expect("an id").to_owned(), made["secret"].clone())
    };
    let less =
        serde_json::json!({ "scopes": ["infer"], "allowed_ips": ["127.0.0.1"], "requests_per_minute": 1, "budgets": { "day": "0.5" } });
    json(with(Method::PATCH, &format!("/v1/keys/{child_id}")).json(&less)).await;

    for (field, more) in [
        ("scopes", serde_json::json!(["billing"])),
        ("models", Value::Null),
        ("allowed_ips", Value::Null),
        ("allowed_ips", serde_json::json!(["0.0.0.0/0"])),
        ("expires_at", Value::Null),
        ("expires_at", "2099-01-02T00:00:00Z".into()),
        ("requests_per_minute", Value::Null),
        ("requests_per_minute", 51.into()),
        ("budgets", serde_json::json!({ "day": null })),
        ("budgets", serde_json::json!({ "day": "1.01" })),
    ] {
        let mut asked = narrow.clone();
        asked[field] = more.clone();
        let refused = with(Method::POST, "/v1/keys").json(&asked).send().await.expect("an answer");
        problem(refused, 403, "scope").await;
        for id in [&child_id, &manager_id] {
            let patch = with(Method::PATCH, &format!("/v1/keys/{id}")).json(&serde_json::json!({ field: more }));
            problem(patch.send().await.expect("an answer"), 403, "scope").await;
        }
    }
    // To rotate another key is to be handed it.
    let (wide_id, _) = made(&api, serde_json::json!({ "name": "wide", "scopes": ["billing"] })).await;
    let rotate = |id: &str| with(Method::POST, &format!("/v1/keys/{id}/rotate")).json(&serde_json::json!({}));
    problem(rotate(&wide_id).send().await.expect("an answer"), 403, "scope").await;
    json(rotate(&child_id)).await;
    json(rotate(&manager_id)).await;
}

#[tokio::test]
async fn limits_of_a_key_are_kept() {
    let api = Api::start().await;
    let detect = |key: &str| {
        api.anonymous(Method::POST, "/v1/detect")
            .header("Content-Type", "image/png")
            .body(crate::support::picture::png(96, 64))
            .bearer_auth(key)
    };
    let (_, elsewhere) = made(&api, serde_json::json!({ "name": "elsewhere", "allowed_ips": ["203.0.113.0/24"] })).await;
    let before = api.books().await;
    problem(detect(&elsewhere).send().await.expect("an answer"), 403, "ip_not_allowed").await;
    let forged = detect(&elsewhere).header("X-Forwarded-For", "203.0.113.1").send().await.expect("an answer");
    problem(forged, 403, "ip_not_allowed").await;

    let (_, picky) = made(&api, serde_json::json!({ "name": "picky", "models": ["elements"], "allowed_ips": ["::ffff:127.0.0.1"] })).await;
    json(detect(&picky)).await;
    // A list of models that are gone, as a removed model leaves it.
    api.db.execute_unprepared("UPDATE api_key SET models = '[\"other\"]' WHERE name = 'picky'").await.expect("the list");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let document = problem(detect(&picky).send().await.expect("an answer"), 403, "model_not_allowed").await;
    assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("only other")), "{document}");
    assert_eq!(api.books().await.1, before.1 + 1);

    let (_, poor) = made(&api, serde_json::json!({ "name": "poor", "budgets": { "day": "0.0016" } })).await;
    json(detect(&poor)).await;
    let refused = detect(&poor).send().await.expect("an answer");
    assert_eq!(refused.status(), 402);
    let left = json(api.anonymous(Method::GET, "/v1/key").bearer_auth(&poor)).await;
    assert_eq!(left["budgets"]["day"], serde_json::json!({ "amount": "0.0016", "spent": "0.0015", "remaining": "0.0001" }));
}

#[tokio::test]
async fn a_rotation_leaves_no_gap_and_no_second_usage() {
    let api = Api::start().await;
    let (id, first) = made(&api, serde_json::json!({ "name": "rotated" })).await;
    let rotate = |body: Value| api.request(Method::POST, &format!("/v1/keys/{id}/rotate")).json(&body);
    let rotated = json(rotate(serde_json::json!({ "overlap": 600 }))).await;
    let second = rotated["secret"].as_str().expect("the new key").to_owned();
    assert_eq!(rotated["old_secrets"].as_array().map(Vec::len), Some(1));
    assert_eq!(rotated["old_secrets"][0]["hint"], first[first.len() - 4..]);
    let current = |key: String| api.anonymous(Method::GET, "/v1/key").bearer_auth(key);
    for key in [&first, &second] {
        assert_eq!(json(current(key.clone())).await["id"], id.as_str());
    }
    let third = json(rotate(serde_json::json!({ "overlap": 0 }))).await["secret"].as_str().expect("the new key").to_owned();
    for gone in [first, second] {
        problem(current(gone).send().await.expect("an answer"), 401, "invalid_key").await;
    }
    assert_eq!(json(current(third)).await["id"], id.as_str());
    for wrong in
        [serde_json::json!({ "overlap": -1 }), serde_json::json!({ "overlap": 2_592_001 }), serde_json::json!({ "overlap": "soon" })]
    {
        problem(rotate(wrong).send().await.expect("an answer"), 422, "invalid_field").await;
    }
}

#[tokio::test]
async fn another_process_hears_of_a_change_within_a_second() {
    let api = Api::start().await;
    let other = crate::support::process::serve(&api.db).await;
    let client = reqwest::Client::new();
    let there = |key: &str| client.get(format!("{}/v1/key", other.url)).bearer_auth(key).send();
    let mut slowest = std::time::Duration::ZERO;
    for round in 0..5 {
        let (id, text) = made(&api, serde_json::json!({ "name": format!("round {round}") })).await;
        assert_eq!(there(&text).await.expect("an answer").status(), 200);
        // Beyond what a process trusts when it hears nothing: only being told helps from here on.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(there(&text).await.expect("an answer").status(), 200);
        let path = format!("/v1/keys/{id}");
        let change = match round % 2 {
            0 => api.request(Method::DELETE, &path),
            _ => api.request(Method::PATCH, &path).json(&serde_json::json!({ "allowed_ips": ["203.0.113.1"] })),
        };
        json(change).await;
        let since = std::time::Instant::now();
        while there(&text).await.expect("an answer").status() == 200 {
            assert!(since.elapsed() < std::time::Duration::from_secs(1), "round {round}: still let in");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        slowest = slowest.max(since.elapsed());
    }
    println!("refused elsewhere within {slowest:?}");
}

#[tokio::test]
async fn several_keys_and_nonsense_are_refused() {
    let api = Api::start().await;
    let (_, second) = made(&api, serde_json::json!({ "name": "second" })).await;
    let get = || api.anonymous(Method::GET, "/v1/key");
    let both = get().bearer_auth(&api.key).header("X-API-Key", &second).send().await.expect("an answer");
    assert!(problem(both, 401, "invalid_key").await["detail"].as_str().is_some_and(|detail| detail.contains("more than one")));
    json(get().bearer_auth(&api.key).header("X-API-Key", &api.key)).await;
    json(get().basic_auth("proxy", Some("password")).header("X-API-Key", &second)).await;
    let unicode =
        get().header("X-API-Key", HeaderValue::from_bytes("lm_test_钥匙".as_bytes()).expect("bytes")).send().await.expect("an answer");
    problem(unicode, 401, "invalid_key").await;
    // The server's own bound on headers, or ours: refused either way, and it lives on.
    let huge = get().header("X-API-Key", "x".repeat(1 << 20)).send().await;
    println!("a key of a megabyte: {:?}", huge.as_ref().map(Response::status));
    assert!(huge.map_or(true, |answer| answer.status().is_client_error()));
    json(get().bearer_auth(&api.key)).await;
}

#[tokio::test]
async fn who_tries_keys_is_told_to_wait_and_others_go_on() {
    let api = Api::start().await;
    api.get("/v1/key").await;
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for number in 0..60 {
        let answer = api.anonymous(Method::GET, "/v1/key").bearer_auth(format!("lm_test_{number}")).send().await.expect("an answer");
        *statuses.entry(answer.status().as_u16()).or_default() += 1;
        if answer.status() == 429 {
            let wait: u64 = answer.headers()["retry-after"].to_str().expect("a text").parse().expect("seconds");
            assert!((1..=3).contains(&wait), "{wait}");
            assert_eq!(problem(answer, 429, "rate_limited").await["violated-policies"], serde_json::json!(["address"]));
        }
    }
    println!("{statuses:?}");
    assert!(statuses[&401] >= 20 && statuses[&429] >= 20, "{statuses:?}");
    // From the same address, with a key that this process knows.
    api.get("/v1/key").await;
}
