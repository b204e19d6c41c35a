//! The JSON API through a real server: another process, reached over HTTP.

mod account;
mod bad_input;
mod by_url;
mod cached;
mod classify;
mod detect_options;
mod docs;
mod hostile;
mod embed;
mod idempotency;
mod jobs;
mod keys;
mod limits;
mod models;
mod operator;
mod paging;
mod refused;
mod subscription;

use lensmeter::app::App;
use lensmeter::vision::{ModelInfo, backend::Backend};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::support::db::{self, TestDb};
use crate::support::process::{self, Served};
use crate::support::{make, picture};

/// A served product with one customer, whose key has every scope.
pub struct Api {
    pub db: TestDb,
    pub served: Served,
    pub account: entity::account::Model,
    pub key: String,
    client: reqwest::Client,
}

impl Api {
    pub async fn start() -> Self {
        let db = db::fresh().await;
        let account = make::account(&db).await;
        let (_, key) = make::key(&db, &account).await;
        let served = process::serve(&db).await;
        Self { db, served, account, key, client: reqwest::Client::new() }
    }

    /// The same in this process, with the models of a test.
    pub async fn with_models(models: Vec<(ModelInfo, Box<dyn Backend>)>) -> Self {
        Self::with(models, |_| ()).await
    }

    /// The same, with `change` having the last word on the program.
    pub async fn with(models: Vec<(ModelInfo, Box<dyn Backend>)>, change: impl FnOnce(&mut App)) -> Self {
        let db = db::fresh().await;
        let account = make::account(&db).await;
        let (_, key) = make::key(&db, &account).await;
        let served = process::serve_here(&db, models, change).await;
        Self { db, served, account, key, client: reqwest::Client::new() }
    }

    /// A request with the customer's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.key)
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.served.url))
    }

    pub async fn get(&self, path: &str) -> Value {
        json(self.request(Method::GET, path)).await
    }

    /// A detection of a small white picture.
    pub fn detect(&self) -> RequestBuilder {
        self.image("/v1/detect")
    }

    /// The same picture for any route.
    pub fn image(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).header("Content-Type", "image/png").body(picture::png(96, 64))
    }

    /// What is left, and how many calls were charged.
    pub async fn books(&self) -> (String, usize) {
        let balance = self.get("/v1/balance").await;
        let events = self.get("/v1/usage/events?limit=100").await;
        (balance["remaining"].as_str().expect("an amount").to_owned(), events["data"].as_array().expect("a list").len())
    }
}

/// The JSON of an answer that must be good.
pub async fn json(request: RequestBuilder) -> Value {
    let answer = request.send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The problem document of an answer that must be a refusal.
pub async fn problem(answer: Response, status: u16, code: &str) -> Value {
    let headers = answer.headers().clone();
    let (found, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
    assert_eq!(found, status, "{text}");
    assert_eq!(headers["content-type"], "application/problem+json");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["code"], code, "{text}");
    assert_eq!(document["status"], status);
    assert_eq!(document["request_id"].as_str(), headers["x-request-id"].to_str().ok());
    assert!(document["type"].as_str().is_some_and(|url| url.ends_with(&format!("/docs/errors/{code}"))), "{text}");
    assert!(document["title"].is_string() && document["errors"].is_array());
    assert!(document["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{text}");
    document
}
