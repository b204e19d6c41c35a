//! Kill -9 under load: every answer that a client received is on the bill, and nothing is billed twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entity::usage_event;
use rand::RngExt as _;
use sea_orm::EntityTrait as _;
use tokio::sync::Mutex;

use super::books::assert_books;
use crate::support::{db, make, picture, process};

/// Key → the event that its answer named, once a whole 2xx was read.
type Answers = Arc<Mutex<HashMap<String, Option<String>>>>;

/// Sends one call and returns the event of its answer; `None` when there was no whole 2xx.
async fn call(http: &reqwest::Client, url: &str, api_key: &str, key: &str) -> Option<String> {
    let request = http.post(format!("{url}/v1/detect")).bearer_auth(api_key).header("idempotency-key", format!("\"{key}\""));
    let answer = request.header("content-type", "image/png").body(picture::png(64, 64)).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body: serde_json::Value = answer.json().await.ok()?;
    Some(body["usage"]["event_id"].as_str().expect("a receipt").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_answered_only_what_is_on_the_bill() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 8;
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, entity::money::Nanos(100_000_000_000)).await;
    let (_, api_key) = make::key(&db, &account).await;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let answers = Answers::default();

    for round in 0..ROUNDS {
        let mut server = process::serve(&db).await;
        let clients = (0..CLIENTS).map(|client| {
            let (http, url, api_key, answers) = (http.clone(), server.url.clone(), api_key.clone(), answers.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let key = format!("{round}-{client}-{number}");
                    answers.lock().await.insert(key.clone(), None);
                    match call(&http, &url, &api_key, &key).await {
                        Some(event) => drop(answers.lock().await.insert(key, Some(event))),
                        // Refused for its rate, or the server is gone: the loop below asks again.
                        None => break,
                    }
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        let patience = rand::rng().random_range(100..1200);
        tokio::time::sleep(Duration::from_millis(patience)).await;
        server.kill();
        for client in clients {
            client.await.expect("no panic");
        }
    }

    let server = process::serve(&db).await;
    let answers = Arc::into_inner(answers).expect("the clients are done").into_inner();
    let answered = answers.values().flatten().count();
    assert!(answered > ROUNDS, "the load was real: {answered} answers");
    let mut events = HashMap::new();
    for (key, before) in &answers {
        let event = loop {
            match call(&http, &server.url, &api_key, key).await {
                Some(event) => break event,
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        assert!(before.as_ref().is_none_or(|before| *before == event), "{key}: the retry got another event");
        events.insert(event, key);
    }
    let billed = usage_event::Entity::find().all(&*db).await.unwrap();
    assert_eq!(billed.len(), answers.len(), "one event per key: none missing, none twice");
    assert!(billed.iter().all(|event| events.contains_key(&event.id.to_string())));
    assert_books(&db).await;
    println!("{} calls, {answered} answered before a kill, {} billed", answers.len(), billed.len());
}
