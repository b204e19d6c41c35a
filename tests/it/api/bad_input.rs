//! Whatever comes in: a problem that says what to do, nothing charged, and a server as healthy as before.

use reqwest::Method;
use reqwest::multipart::{Form, Part};

use super::{Api, json, problem};
use crate::support::picture;

/// 100 megapixels in a few kilobytes.
fn bomb() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(10_000, 10_000).write_to(&mut file, image::ImageFormat::Png).expect("a PNG in memory");
    file.into_inner()
}

#[tokio::test]
async fn a_bad_image_is_refused_and_costs_nothing() {
    let api = Api::start().await;
    let before = api.books().await;
    let post = || api.request(Method::POST, "/v1/detect");
    let raw = |kind: &str, body: Vec<u8>| post().header("Content-Type", kind.to_owned()).body(body);
    let whole = picture::png(96, 64);
    let part = |name: &'static str, bytes: Vec<u8>| Form::new().part(name, Part::bytes(bytes).file_name("x.png"));

    for (what, request, status, code) in [
        ("not an image", raw("image/png", b"hello, I am a text".to_vec()), 415, "unsupported_media_type"),
        ("another kind of body", raw("text/plain", b"hello".to_vec()), 415, "unsupported_media_type"),
        ("a truncated image", raw("image/png", whole[..whole.len() / 2].to_vec()), 422, "undecodable_image"),
        ("a bomb of 100 megapixels", raw("image/png", bomb()), 413, "image_too_large"),
        ("an empty body", raw("image/png", Vec::new()), 422, "undecodable_image"),
        ("an empty multipart image", post().multipart(part("image", Vec::new())), 422, "undecodable_image"),
        ("a multipart body without image", post().multipart(part("picture", whole.clone())), 422, "invalid_field"),
        ("an unknown multipart field", post().multipart(part("image", whole.clone()).text("confidence", "0.5")), 422, "unknown_field"),
        (
            "an unknown query parameter",
            api.request(Method::POST, "/v1/detect?min_conf=1").header("Content-Type", "image/png").body(whole.clone()),
            422,
            "unknown_field",
        ),
        (
            "an unknown JSON field",
            post().json(&serde_json::json!({ "image": { "type": "base64", "value": "aGk=" }, "colour": 1 })),
            422,
            "unknown_field",
        ),
        ("a wrong type", post().json(&serde_json::json!({ "image": 7 })), 422, "invalid_field"),
        ("a wrong option", post().multipart(part("image", whole.clone()).text("max_results", "many")), 422, "invalid_field"),
        ("an option out of range", post().multipart(part("image", whole.clone()).text("iou", "1.5")), 422, "invalid_field"),
        (
            "an image in our own network",
            post().json(&serde_json::json!({ "image": { "type": "url", "value": "https://127.0.0.1/a.png" } })),
            422,
            "image_fetch_failed",
        ),
        ("broken JSON", post().header("Content-Type", "application/json").body("{\"image\""), 400, "invalid_json"),
        ("a broken multipart body", raw("multipart/form-data", b"--".to_vec()), 400, "invalid_request"),
        ("an unknown model", post().multipart(part("image", whole.clone()).text("model", "nobody")), 404, "unknown_model"),
        ("50 MB", raw("image/png", vec![0; 50 << 20]), 413, "image_too_large"),
        ("another method", api.request(Method::GET, "/v1/detect"), 405, "method_not_allowed"),
        ("another path", api.request(Method::GET, "/v1/nothing"), 404, "not_found"),
    ] {
        let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        println!("{what}: {}", answer.status());
        problem(answer, status, code).await;
    }
    assert_eq!(api.books().await, before, "something was charged");
    // And it still works.
    json(api.detect()).await;
    assert_eq!(api.books().await.1, before.1 + 1);
}

#[tokio::test]
async fn the_field_that_is_wrong_is_named() {
    let api = Api::start().await;
    let form = Form::new().part("image", Part::bytes(picture::png(8, 8))).text("min_confidence", "high");
    let answer = api.request(Method::POST, "/v1/detect").multipart(form).send().await.expect("an answer");
    let document = problem(answer, 422, "invalid_field").await;
    assert_eq!(document["errors"][0]["field"], "min_confidence");
    let answer = api.request(Method::POST, "/v1/keys").json(&serde_json::json!({ "name": 7 })).send().await.expect("an answer");
    assert_eq!(problem(answer, 422, "invalid_field").await["errors"][0]["field"], "name");
    let answer =
        api.request(Method::POST, "/v1/keys").json(&serde_json::json!({ "name": "a", "nmae": 7 })).send().await.expect("an answer");
    assert_eq!(problem(answer, 422, "unknown_field").await["errors"][0]["field"], "nmae");
    let answer = api.request(Method::GET, "/v1/keys?limit=1000").send().await.expect("an answer");
    assert_eq!(problem(answer, 422, "invalid_field").await["errors"][0]["field"], "limit");
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let api = Api::start().await;
    let before = api.books().await;
    let image = || picture::png(96, 64);
    let post = || api.anonymous(Method::POST, "/v1/detect").header("Content-Type", "image/png").body(image());
    problem(post().send().await.expect("an answer"), 401, "invalid_key").await;
    for wrong in ["x", "lm_test_abc", &format!("{}x", api.key), &api.key.replace("lm_test", "lm_live")] {
        let answer = post().bearer_auth(wrong).send().await.expect("an answer");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"lensmeter\"");
        problem(answer, 401, "invalid_key").await;
    }
    assert_eq!(api.books().await, before);
    // The other header is as good.
    json(post().header("X-API-Key", &api.key)).await;
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_second() {
    let api = Api::start().await;
    let made = json(api.request(Method::POST, "/v1/keys").json(&serde_json::json!({ "name": "short-lived" }))).await;
    let secret = made["secret"].as_str().expect("the whole key").to_owned();
    let post =
        || api.anonymous(Method::POST, "/v1/detect").header("Content-Type", "image/png").body(picture::png(96, 64)).bearer_auth(&secret);
    json(post()).await;
    let revoked = json(api.request(Method::DELETE, &format!("/v1/keys/{}", made["id"].as_str().expect("an id")))).await;
    assert_eq!(revoked["active"], false);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = api.books().await;
    problem(post().send().await.expect("an answer"), 401, "invalid_key").await;
    assert_eq!(api.books().await, before);
}
