//! A vector in the shape that `OpenAI`'s clients read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;

use super::{Api, json as answer, problem};
use crate::support::model::{detector, embedder};
use crate::support::picture;

#[tokio::test]
async fn a_vector_is_a_list_of_one_as_numbers_or_as_bytes() {
    let api = Api::with_models(vec![embedder(), detector()]).await;
    let found = answer(api.image("/v1/embed")).await;
    assert_eq!((&found["object"], &found["model"]), (&json!("list"), &json!("features")));
    assert_eq!(found["data"], json!([{ "object": "embedding", "index": 0, "embedding": [0.6, 0.8] }]));
    assert_eq!((&found["usage"]["images"], &found["usage"]["amount"]), (&json!(1), &json!("0.0005")));

    let image = json!({ "type": "base64", "value": STANDARD.encode(picture::png(96, 64)) });
    let body = json!({ "image": image, "encoding_format": "base64", "model": "features/1" });
    let found = answer(api.request(Method::POST, "/v1/embed").json(&body)).await;
    let bytes = STANDARD.decode(found["data"][0]["embedding"].as_str().expect("a text")).expect("base64");
    let numbers: Vec<f32> = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four"))).collect();
    assert_eq!(numbers, [0.6, 0.8]);
    assert_eq!(api.books().await, ("0.999".to_owned(), 2));
}

#[tokio::test]
async fn options_that_it_does_not_have_are_refused_by_name() {
    let api = Api::with_models(vec![embedder()]).await;
    for (query, code, field) in [
        ("encoding_format=hex", "invalid_field", "encoding_format"),
        ("dimensions=1", "unknown_field", "dimensions"),
        ("min_confidence=0.5", "unknown_field", "min_confidence"),
    ] {
        let refused = problem(api.image(&format!("/v1/embed?{query}")).send().await.expect("an answer"), 422, code).await;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    assert_eq!(api.books().await.1, 0);
}
