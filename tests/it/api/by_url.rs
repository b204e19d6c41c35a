//! An image by its URL: fetched after credit is held, never from our own network unless that is allowed, and charged once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Method, RequestBuilder};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Api, json as answer, problem};
use crate::support::model::detector;
use crate::support::picture;

/// Somebody's web server: a picture at `/a.png`, a text at `/a.txt`, nothing elsewhere.
struct Origin {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let (status, body) = match head.split(' ').nth(1) {
                    Some("/a.png") => ("200 OK", picture::png(96, 64)),
                    Some("/a.txt") => ("200 OK", b"hello, I am a text".to_vec()),
                    _ => ("404 Not Found", Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // Who hangs up early misses the rest.
                let _sent = stream.write_all(&[head.into_bytes(), body].concat()).await;
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn post(api: &Api, url: &str) -> RequestBuilder {
    api.request(Method::POST, "/v1/detect").json(&json!({ "image": { "type": "url", "value": url } }))
}

#[tokio::test]
async fn an_image_is_fetched_once_for_one_idempotency_key() {
    let (api, origin) = (Api::with_models(vec![detector()]).await, Origin::start().await);
    let url = format!("{}/a.png", origin.url);
    let send = |url: &str| post(&api, url).header("Idempotency-Key", "one").send();
    let first = send(&url).await.expect("an answer");
    assert_eq!(first.status(), 200);
    assert!(first.headers()["server-timing"].to_str().is_ok_and(|timing| timing.starts_with("fetch;dur=")), "{:?}", first.headers());
    let first = first.json::<serde_json::Value>().await.expect("JSON");
    assert_eq!(first["image"], json!({ "width": 96, "height": 64 }));
    let again = send(&url).await.expect("an answer");
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    problem(send(&format!("{url}?other")).await.expect("an answer"), 422, "idempotency_mismatch").await;
    assert_eq!((origin.asked(), api.books().await.1), (1, 1));
    answer(post(&api, &url)).await;
    assert_eq!((origin.asked(), api.books().await.1), (2, 2));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_said_and_costs_nothing() {
    let (api, origin) = (Api::with_models(vec![detector()]).await, Origin::start().await);
    for (url, status, code) in [
        (format!("{}/nothing", origin.url), 422, "image_fetch_failed"),
        (format!("{}/a.txt", origin.url), 415, "unsupported_media_type"),
        ("http://127.0.0.1:9/a.png".to_owned(), 422, "image_fetch_failed"),
        ("ftp://example.com/a.png".to_owned(), 422, "image_fetch_failed"),
        ("not a URL".to_owned(), 422, "image_fetch_failed"),
        ("https://user:secret@example.com/a.png".to_owned(), 422, "image_fetch_failed"),
        (format!("https://example.com/{}", "x".repeat(3000)), 422, "invalid_field"),
    ] {
        println!("{}", url.get(..40).unwrap_or(&url));
        problem(post(&api, &url).send().await.expect("an answer"), status, code).await;
    }
    assert_eq!(api.books().await, ("1.00".to_owned(), 0));
}

#[tokio::test]
async fn our_own_network_is_out_of_reach_and_no_credit_means_no_fetch() {
    let api = Api::with(vec![detector()], |app| app.inference.allow_private_images = false).await;
    let origin = Origin::start().await;
    for host in [origin.url.replace("http:", "https:"), origin.url.clone(), "https://localhost".into(), "https://169.254.169.254".into()] {
        let refused = post(&api, &format!("{host}/a.png")).send().await.expect("an answer");
        problem(refused, 422, "image_fetch_failed").await;
    }
    assert_eq!(origin.asked(), 0);

    let poor = Api::with_models(vec![detector()]).await;
    poor.db.execute_unprepared("UPDATE balance SET debits = credits").await.expect("spent");
    problem(post(&poor, &format!("{}/a.png", origin.url)).send().await.expect("an answer"), 402, "insufficient_credit").await;
    assert_eq!(origin.asked(), 0, "nothing is fetched for who cannot pay");
}
