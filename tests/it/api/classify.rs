//! What a picture shows: three bodies, one answer, and a plan that must sell it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lensmeter::billing::plan;
use lensmeter::vision::Task;
use lensmeter::vision::backend::{Backend, Output};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::{Api, json as answer, problem};
use crate::support::model::{Always, Broken, classifier, detector, info};
use crate::support::{make, picture};

#[tokio::test]
async fn the_three_bodies_get_the_same_answer() {
    let api = Api::with_models(vec![classifier("pets", "1"), detector()]).await;
    let post = || api.request(Method::POST, "/v1/classify");
    let image = picture::png(96, 64);
    let multipart = Form::new().part("image", Part::bytes(image.clone()).file_name("x.png")).text("max_results", "2");
    let encoded = json!({ "image": { "type": "base64", "value": STANDARD.encode(&image) }, "max_results": 2 });
    let mut answers = Vec::new();
    for request in [api.image("/v1/classify?max_results=2"), post().multipart(multipart), post().json(&encoded)] {
        answers.push(answer(request).await);
    }
    for found in &answers {
        assert_eq!(found["predictions"], answers[0]["predictions"]);
        assert_eq!((&found["model"], &found["object"]), (&json!("pets"), &json!("classification")));
    }
    let found = &answers[0];
    let dog = json!({ "class": "dog", "class_id": 1, "confidence": 0.6 });
    let cat = json!({ "class": "cat", "class_id": 0, "confidence": 0.3 });
    assert_eq!(found["predictions"], json!([dog, cat]));
    assert_eq!((&found["top"], &found["confidence"]), (&json!("dog"), &json!(0.6)));
    assert_eq!(found["image"], json!({ "width": 96, "height": 64 }));
    assert_eq!((&found["usage"]["amount"], &found["usage"]["balance"]), (&json!("0.001"), &json!("0.999")));
    assert!(found["id"].as_str().is_some_and(|id| id.starts_with("inf_")));
    assert_eq!(api.books().await.1, 3);
}

#[tokio::test]
async fn nothing_sure_enough_is_an_answer_without_a_top() {
    let api = Api::with_models(vec![classifier("pets", "1")]).await;
    let found = answer(api.image("/v1/classify?min_confidence=0.9")).await;
    assert_eq!((&found["predictions"], found.get("top"), found.get("confidence")), (&json!([]), None, None));
    assert_eq!(api.books().await.1, 1, "it was computed all the same");
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_free_and_another_request_is_refused() {
    let api = Api::with_models(vec![classifier("pets", "1"), detector()]).await;
    let send = |path| api.image(path).header("Idempotency-Key", "one").send();
    let first = send("/v1/classify").await.expect("an answer");
    assert!(first.headers()["server-timing"].to_str().is_ok_and(|timing| timing.contains("infer;dur=") && !timing.contains("fetch")));
    let first = first.bytes().await.expect("a body");
    let again = send("/v1/classify").await.expect("an answer");
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.bytes().await.expect("a body"), first);
    problem(send("/v1/detect").await.expect("an answer"), 422, "idempotency_mismatch").await;
    assert_eq!(api.books().await.1, 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_costs_nothing() {
    let api = Api::with_models(vec![classifier("pets", "1")]).await;
    let heic = [&[0, 0, 0, 24][..], b"ftypheic", &[0; 12]].concat();
    let raw = |body: Vec<u8>| api.request(Method::POST, "/v1/classify").header("Content-Type", "image/heic").body(body);
    let refused = problem(raw(heic).send().await.expect("an answer"), 415, "unsupported_media_type").await;
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("HEIC")), "{refused}");
    for (request, status, code) in [
        (raw(Vec::new()), 422, "undecodable_image"),
        (raw(vec![0; 21 << 20]), 413, "image_too_large"),
        (api.image("/v1/classify?iou=0.5"), 422, "unknown_field"),
        (api.image("/v1/classify?max_results=1&max_results=2"), 422, "invalid_field"),
        (api.image("/v1/classify?model=animals"), 404, "unknown_model"),
        (api.image("/v1/detect"), 404, "unknown_model"),
        (api.image("/v1/embed"), 404, "unknown_model"),
    ] {
        problem(request.send().await.expect("an answer"), status, code).await;
    }
    let none = api.image("/v1/embed").send().await.expect("an answer").json::<Value>().await.expect("JSON");
    assert!(none["detail"].as_str().is_some_and(|detail| detail.contains("no model for embed")), "{none}");
    assert_eq!(api.books().await, ("1.00".to_owned(), 0));
}

#[tokio::test]
async fn a_model_that_is_broken_costs_nothing() {
    let unknown =
        (info("nan", "1", Task::Classify, &["cat", "dog"]), Box::new(Always(Output::Row(vec![f32::NAN, 0.]))) as Box<dyn Backend>);
    let short = (info("short", "1", Task::Classify, &["cat", "dog"]), Box::new(Always(Output::Row(vec![0.]))) as Box<dyn Backend>);
    let fails = (info("fails", "1", Task::Classify, &["cat", "dog"]), Box::new(Broken) as Box<dyn Backend>);
    let api = Api::with_models(vec![unknown, short, fails, classifier("pets", "1")]).await;
    for model in ["nan", "short", "fails"] {
        let refused = api.image(&format!("/v1/classify?model={model}")).send().await.expect("an answer");
        let refused = problem(refused, 500, "internal").await;
        assert!(!refused.to_string().contains("bananas"), "what is wrong inside stays inside: {refused}");
    }
    assert_eq!(api.books().await, ("1.00".to_owned(), 0));
    assert_eq!(answer(api.image("/v1/classify?model=pets")).await["top"], "dog");
}

#[tokio::test]
async fn an_older_plan_without_the_task_says_so() {
    let api = Api::with_models(vec![classifier("pets", "1"), detector()]).await;
    let text = include_str!("../../../plans/standard.toml");
    let (before, _) = text.split_once("# For models that an operator adds").expect("the catalogue sells more than detection");
    let older = plan::parse("standard.toml", before).expect("a plan");
    plan::apply(&api.db, vec![older], make::start()).await.expect("applied");
    let subscribe = "UPDATE subscription SET plan_version_id = (SELECT id FROM plan_version ORDER BY version DESC LIMIT 1)";
    api.db.execute_unprepared(subscribe).await.expect("subscribed");
    // The catalogue moves on; who subscribed stays.
    make::catalogue(&api.db).await;
    let refused = problem(api.image("/v1/classify").send().await.expect("an answer"), 403, "not_in_plan").await;
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("classify")), "{refused}");
    assert_eq!(api.books().await.1, 0);
    answer(api.image("/v1/detect")).await;
    let models = api.get("/v1/models").await;
    let price = |id: &str| models["data"].as_array().expect("a list").iter().find(|model| model["id"] == id).expect("listed").get("price");
    assert!(price("animals").is_some() && price("pets").is_none(), "{models}");
}
