//! Options of a detection: classes, overlap, and how many.

use serde_json::{Value, json};

use super::{Api, json as answer, problem};
use crate::support::model::detector;

fn classes(found: &Value) -> Vec<&str> {
    found["predictions"].as_array().expect("a list").iter().map(|one| one["class"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn boxes_of_one_thing_are_merged_cut_and_named() {
    let api = Api::with_models(vec![detector()]).await;
    let found = answer(api.detect()).await;
    assert_eq!(classes(&found), ["cat", "dog"], "two boxes are one cat, and a class without a name is none: {found}");
    assert_eq!(found["predictions"][1]["box"], json!({ "xmin": 60, "ymin": 20, "xmax": 90, "ymax": 64 }), "cut to the picture");
    assert!(found["predictions"][0].get("quad").is_none());
    let apart = answer(api.image("/v1/detect?iou=0.99")).await;
    assert_eq!(classes(&apart), ["cat", "dog", "cat"]);
    let one = answer(api.image("/v1/detect?max_results=1")).await;
    assert_eq!(classes(&one), ["cat"]);
}

#[tokio::test]
async fn only_the_classes_that_are_asked_for() {
    let api = Api::with_models(vec![detector()]).await;
    for query in ["classes=dog", "classes=dog,cat&max_results=2", "classes=dog&classes=cat"] {
        let found = answer(api.image(&format!("/v1/detect?{query}"))).await;
        let expected: &[&str] = if query == "classes=dog" { &["dog"] } else { &["cat", "dog"] };
        assert_eq!(classes(&found), expected, "{query}");
    }
    // What is left out does not use up the places.
    assert_eq!(classes(&answer(api.image("/v1/detect?classes=dog&max_results=1")).await), ["dog"]);
    let before = api.books().await;
    let refused = problem(api.image("/v1/detect?classes=dog,horse").send().await.expect("an answer"), 422, "invalid_field").await;
    assert_eq!(refused["errors"][0]["field"], "classes");
    let detail = refused["detail"].as_str().expect("a text");
    assert!(detail.contains("horse") && detail.contains("cat, dog"), "{detail}");
    assert_eq!(api.books().await, before);
}
