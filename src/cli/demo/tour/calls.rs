//! Calling the API.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::cli::demo::browser::{Api, json};
use crate::cli::demo::say::Steps;
use crate::web::assets;

/// Boxes of a class that are printed one by one.
const SHOWN: usize = 5;

pub async fn detect(api: &Api) -> anyhow::Result<(String, ())> {
    let picture = assets::bytes("samples/label.png").context("the sample picture is missing from static/samples")?;
    let part = Part::bytes(picture).file_name("label.png").mime_str("image/png")?;
    let request = api.request(Method::POST, "/v1/detect").multipart(Form::new().part("image", part));
    let answer = json(request).await.context("POST /v1/detect")?;
    let boxes = answer["predictions"].as_array().context("no predictions")?;
    ensure!(!boxes.is_empty(), "nothing was found in a picture that has text and a code");
    // Said before the line of the step: what was found is long, and the line has the price.
    let receipt = &answer["usage"];
    let said = format!(
        "{} boxes by {} {} in {} ms · {} {} · {} {} left",
        boxes.len(),
        text(&answer["model"]),
        text(&answer["model_version"]),
        text(&receipt["compute_ms"]),
        text(&receipt["amount"]),
        text(&receipt["currency"]),
        text(&receipt["balance"]),
        text(&receipt["currency"]),
    );
    for class in classes(boxes) {
        let of_class: Vec<&Value> = boxes.iter().filter(|found| found["class"] == class).collect();
        of_class.iter().take(SHOWN).for_each(|found| Steps::detail(&line(found)));
        if of_class.len() > SHOWN {
            Steps::detail(&format!("{class:<12} and {} more", of_class.len() - SHOWN));
        }
    }
    Ok((said, ()))
}

/// The classes that were found, each once, in order.
fn classes(boxes: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = boxes.iter().map(|found| text(&found["class"])).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn line(found: &Value) -> String {
    let (class, sure, corners) = (text(&found["class"]), found["confidence"].as_f64().unwrap_or_default() * 100.0, &found["box"]);
    format!("{class:<12} {sure:>5.1} %  ({}, {}) – ({}, {})", corners["xmin"], corners["ymin"], corners["xmax"], corners["ymax"])
}

pub async fn usage(api: &Api) -> anyhow::Result<(String, ())> {
    let usage = api.get("/v1/usage?group_by=model").await?;
    let total = &usage["total"];
    ensure!(total["events"].as_i64().unwrap_or_default() >= 1, "the call is not in the usage");
    let balance = api.get("/v1/balance").await?;
    let said = format!(
        "{} calls, {} {} · {} {} left",
        total["events"],
        text(&total["amount"]),
        text(&usage["currency"]),
        text(&balance["remaining"]),
        text(&balance["currency"])
    );
    Ok((said, ()))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
