//! The playground is the real call: metered, priced, and free when it fails.

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use super::{Browser, Portal, between, seen};
use crate::support::{db, model, picture, process};

fn form(token: &str, once: &str, image: Vec<u8>) -> Form {
    let image = Part::bytes(image).file_name("a.png").mime_str("image/png").expect("a media type");
    Form::new().text("form_token", token.to_owned()).text("once", once.to_owned()).text("min_confidence", "0.40").part("image", image)
}

async fn ask(browser: &Browser, form: Form) -> (u16, Value) {
    let request = browser.client.post(format!("{}/app/playground", browser.url)).multipart(form);
    let answer = request.header("Sec-Fetch-Site", "same-origin").header("Accept", "application/json").send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn an_image_is_charged_once_however_often_its_form_is_sent() {
    let portal = Portal::start().await;
    let browser = portal.member("ada@example.com").await;
    let token = browser.get("/app/playground").await.form_token();

    let (status, first) = ask(&browser, form(&token, "one", picture::png(96, 64))).await;
    assert_eq!((status, first["usage"]["balance"].as_str()), (200, Some("0.9985")), "{first}");
    let (_, again) = ask(&browser, form(&token, "one", picture::png(96, 64))).await;
    assert_eq!(again, first, "a reload gets the stored answer");

    let (status, refused) = ask(&browser, form(&token, "two", b"not an image".to_vec())).await;
    assert_eq!(status, 422);
    assert!(refused["problem"].as_str().is_some_and(|text| text.ends_with("Nothing was charged.")), "{refused}");
    let (status, _) = ask(&browser, form(&token, "three", Vec::new())).await;
    assert_eq!(status, 422);

    // Without scripts: the page with the picture and its overlay.
    let request = browser.client.post(format!("{}/app/playground", browser.url)).multipart(form(&token, "one", picture::png(96, 64)));
    let page = seen(request.header("Sec-Fetch-Site", "same-origin")).await;
    assert_eq!(page.status, 200);
    assert!(page.html.contains("data:image/png;base64,") && page.html.contains("viewBox=\"0 0 96 64\""));
    assert_eq!(between(&page.html, "id=\"balance\">", "<"), Some("$0.9985"));

    let request = browser.client.post(format!("{}/app/playground", browser.url)).multipart(form("stale", "four", picture::png(8, 8)));
    assert_eq!(seen(request.header("Sec-Fetch-Site", "same-origin")).await.status, 403);
    let usage = browser.get("/app/usage").await.html;
    assert!(usage.contains("1 call for $0.0015") && usage.contains("Playground"));
}

#[tokio::test]
async fn every_model_can_be_tried_without_scripts() {
    let db = db::fresh().await;
    let served = process::serve_here(&db, vec![model::classifier("pets", "1"), model::embedder(), model::detector()], |_| ()).await;
    let portal = Portal { db, served };
    let browser = portal.member("ada@example.com").await;
    let start = browser.get("/app/playground").await;
    assert!(start.html.contains("<option value=\"animals\" selected>"), "what finds objects comes first");
    let token = start.form_token();
    let page = async |name: &'static str| {
        let form = form(&token, name, picture::png(96, 64)).text("model", name);
        let request = browser.client.post(format!("{}/app/playground", browser.url)).multipart(form);
        let page = seen(request.header("Sec-Fetch-Site", "same-origin")).await;
        assert_eq!(page.status, 200, "{}", page.html);
        assert!(page.html.contains(&format!("<option value=\"{name}\" selected>")), "it stays chosen");
        page.html
    };
    assert!(page("animals").await.contains("2 objects in "));
    let shown = page("pets").await;
    assert!(shown.contains("<h2>dog in ") && shown.contains("0.60") && shown.contains("$0.001 for this call"), "{shown}");
    let shown = page("features").await;
    assert!(shown.contains("<h2>2 numbers in ") && shown.contains("0.6000, 0.8000"), "{shown}");
}
