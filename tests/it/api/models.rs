//! Which models there are, in which versions, and what they cost.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, json as answer, problem};
use crate::support::model::{classifier, detector, embedder};

#[tokio::test]
async fn every_model_is_listed_and_versions_of_those_with_several() {
    let api = Api::with_models(vec![classifier("pets", "1"), classifier("pets", "2"), detector(), embedder()]).await;
    let list = api.get("/v1/models").await;
    assert_eq!((&list["object"], &list["has_more"]), (&json!("list"), &json!(false)));
    let models = list["data"].as_array().expect("a list");
    let ids: Vec<&str> = models.iter().map(|model| model["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["animals", "pets", "pets/2", "pets/1", "features"]);
    let pets = &models[1];
    assert_eq!((&pets["version"], &pets["versions"], &pets["task"]), (&json!("2"), &json!(["2", "1"]), &json!("classify")));
    assert_eq!((&pets["is_default"], &models[3]["is_default"]), (&json!(true), &json!(false)));
    assert_eq!((&pets["price"]["amount"], &pets["price"]["cached"]), (&json!("0.001"), &json!("full")));
    assert_eq!(pets["defaults"], json!({ "max_results": 5 }));
    assert_eq!(models[0]["defaults"], json!({ "min_confidence": 0.5, "iou": 0.5, "max_results": 300 }));
    assert_eq!(models[0]["input"], json!({ "resize": "fit", "side": 640 }));
    assert!(models.iter().all(|model| model["description"].is_string() && model["object"] == "model"));

    assert_eq!(api.get("/v1/models/pets").await, *pets);
    assert_eq!(api.get("/v1/models/pets/1").await, models[3]);
    assert_eq!(api.get("/v1/models/animals/1").await["id"], "animals/1");
    for path in ["/v1/models/nobody", "/v1/models/pets/3", "/v1/models/animals/2"] {
        problem(api.request(Method::GET, path).send().await.expect("an answer"), 404, "not_found").await;
    }
}

#[tokio::test]
async fn a_version_answers_when_it_is_named() {
    let api = Api::with_models(vec![classifier("pets", "1"), classifier("pets", "2")]).await;
    let version = async |query: &str| answer(api.image(&format!("/v1/classify{query}"))).await["model_version"].clone();
    assert_eq!((version("").await, version("?model=pets").await), (json!("2"), json!("2")));
    assert_eq!(version("?model=pets/1").await, "1");
    problem(api.image("/v1/classify?model=pets/9").send().await.expect("an answer"), 404, "unknown_model").await;
}

#[tokio::test]
async fn a_quote_is_for_the_task_or_the_model_and_for_what_that_price_has_counted() {
    let api = Api::with_models(vec![classifier("pets", "1"), detector(), embedder()]).await;
    let quote = async |body: Value| answer(api.request(Method::POST, "/v1/quote").json(&body)).await;
    assert_eq!(quote(json!({})).await["amount"], "0.0015");
    assert_eq!(quote(json!({ "task": "embed", "images": 1000 })).await["amount"], "0.50");
    let by_model = quote(json!({ "model": "pets/1" })).await;
    assert_eq!((&by_model["task"], &by_model["model"], &by_model["amount"]), (&json!("classify"), &json!("pets/1"), &json!("0.001")));
    // 10 000 images are dearer than those after them; classifications do not count towards that.
    answer(api.image("/v1/classify")).await;
    assert_eq!(quote(json!({ "task": "detect", "images": 10_000 })).await["amount"], "15.00");
    answer(api.detect()).await;
    assert_eq!(quote(json!({ "task": "detect", "images": 10_000 })).await["amount"], "14.9995");
    for (body, status, code) in [
        (json!({ "model": "nobody" }), 404, "unknown_model"),
        (json!({ "model": "pets", "task": "detect" }), 404, "unknown_model"),
        (json!({ "task": "sing" }), 422, "invalid_field"),
    ] {
        problem(api.request(Method::POST, "/v1/quote").json(&body).send().await.expect("an answer"), status, code).await;
    }
}
