//! What goes wrong around whole servers: clocks set back, two of one name, a lease table edited under load, no connection
//! left, a header of a megabyte. A refusal that says why, and books that balance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::account;
use entity::money::Nanos;
use lensmeter::metering::upkeep;
use lensmeter::platform::clock::Clock;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::Value;
use tokio::sync::Mutex;

use super::books::{assert_books, number};
use crate::support::db::{self, TestDb};
use crate::support::{make, model, picture, process};

/// A customer over HTTP who remembers which event each key got.
pub struct Client {
    http: reqwest::Client,
    url: String,
    account: account::Model,
    key: String,
    answers: Mutex<BTreeMap<String, String>>,
}

impl Client {
    /// A new account with credit for thousands of calls, whose rate is limited by nothing.
    pub async fn new(db: &TestDb, url: &str) -> Self {
        let account = make::account(db).await;
        make::credit(db, &account, Nanos(100_000_000_000)).await;
        make::unhurried(db).await;
        let key = make::key(db, &account).await.1;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
        Self { http, url: url.to_owned(), account, key, answers: Mutex::default() }
    }

    /// One call under an idempotency key: the status and the document.
    pub async fn call(&self, key: &str) -> (u16, Value) {
        self.call_at(&self.url, key).await
    }

    /// The same at another replica.
    pub async fn call_at(&self, url: &str, key: &str) -> (u16, Value) {
        let request = self.http.post(format!("{url}/v1/detect")).bearer_auth(&self.key).header("idempotency-key", key);
        let answer = request.header("content-type", "image/png").body(picture::png(64, 64)).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let document: Value = answer.json().await.expect("JSON");
        if status == 200 {
            let event = document["usage"]["event_id"].as_str().expect("a receipt").to_owned();
            if let Some(before) = self.answers.lock().await.insert(key.to_owned(), event.clone()) {
                assert_eq!(before, event, "{key}: the retry got another event");
            }
        }
        (status, document)
    }

    pub async fn served(&self, key: &str) {
        let (status, document) = self.call(key).await;
        assert_eq!(status, 200, "{key}: {document}");
    }

    /// Retries as a customer does, as long as the answer is a 503 that says so.
    pub async fn eventually_served(&self, key: &str, patience: Duration) {
        let begin = Instant::now();
        loop {
            let (status, document) = self.call(key).await;
            if status == 200 {
                return;
            }
            assert!(status == 503 && begin.elapsed() < patience, "{key}: {status} {document}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Each answered key has its one event, no other event is there, and all books agree. Returns how many there are.
    pub async fn settle(&self, db: &TestDb) -> usize {
        assert_books(db).await;
        println!("{}", process::doctor_books(db).await.trim());
        let own = format!("SELECT count(*) FROM usage_event WHERE account_id = '{}'", self.account.id.0);
        let answered = self.answers.lock().await.len();
        assert_eq!(number(db, &own).await, answered as i64, "an event without an answer, or the other way round");
        answered
    }
}

/// A 503 that says what is away.
fn assert_unavailable((status, problem): &(u16, Value), reason: &str) {
    assert_eq!((*status, &problem["code"]), (503, &Value::from("unavailable")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_loses_no_call_and_bills_none_twice() {
    let db = db::fresh().await;
    let clock = Clock::manual(make::start() + TimeDelta::hours(30));
    let own = clock.clone();
    let server = process::serve_here(&db, vec![model::detector()], |app| {
        app.inference.clock = own.clone();
        app.clock = own;
    })
    .await;
    let client = Client::new(&db, &server.url).await;
    for (step, hours) in [0, -3, -26, 20, -1, -10, 15].into_iter().enumerate() {
        clock.advance(TimeDelta::hours(hours));
        for call in 0..3 {
            client.served(&format!("{step}-{call}")).await;
        }
        // A retry of the step before, over the jump: the same answer, free.
        client.served(&format!("{}-0", step.saturating_sub(1))).await;
    }
    assert_eq!(client.settle(&db).await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_one_name_keep_their_own_leases() {
    let db = db::fresh().await;
    let servers = [process::serve(&db).await, process::serve(&db).await];
    let client = Client::new(&db, &servers[0].url).await;
    for round in 0..6 {
        for (at, server) in servers.iter().enumerate() {
            let (status, problem) = client.call_at(&server.url, &format!("{round}-{at}")).await;
            assert_eq!(status, 200, "{problem}");
        }
        // A cloned machine: both say that they are the same.
        db.execute_unprepared("UPDATE lease SET replica = '00000000-0000-0000-0000-000000000001'").await.unwrap();
    }
    let leases = format!("SELECT count(*) FROM lease WHERE balance_id = '{}'", client.account.id.0);
    assert_eq!(number(&db, &leases).await, 2, "each has its own");
    assert_eq!(client.settle(&db).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_edited_by_hand_under_load_cost_nobody_a_call() {
    let db = db::fresh().await;
    let servers = [process::serve(&db).await, process::serve(&db).await];
    let client = Arc::new(Client::new(&db, &servers[0].url).await);
    let until = Instant::now() + Duration::from_secs(4);
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (client, url) = (client.clone(), servers[caller % 2].url.clone());
            tokio::spawn(async move {
                let mut refused = 0;
                for call in 0.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let (status, problem) = client.call_at(&url, &format!("{caller}-{call}")).await;
                    // More promised than there is may look like no credit for a moment.
                    assert!(matches!(status, 200 | 402 | 503), "{status}: {problem}");
                    refused += usize::from(status != 200);
                }
                refused
            })
        })
        .collect();
    let edits = [
        "DELETE FROM lease",
        "UPDATE lease SET amount = amount * 1000",
        "UPDATE lease SET used = amount",
        "UPDATE lease SET epoch = epoch + 1",
        "UPDATE lease SET expires_at = 'epoch'",
        "UPDATE lease SET id = gen_random_uuid()",
        "UPDATE balance SET held = 0",
        "UPDATE balance SET epoch = epoch + 1",
    ];
    let mut edited = 0;
    for edit in edits.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        // The CHECKs refuse some of them.
        edited += usize::from(db.execute_unprepared(edit).await.is_ok());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let mut refused = 0;
    for caller in callers {
        refused += caller.await.expect("no panic");
    }
    for server in &servers {
        for call in 0..20 {
            let (status, problem) = client.call_at(&server.url, &format!("healed {} {call}", server.url)).await;
            assert_eq!(status, 200, "{problem}");
        }
    }
    drop(servers);
    db.execute_unprepared("UPDATE lease SET expires_at = clock_timestamp()").await.unwrap();
    upkeep::run(&db, make::start()).await.unwrap();
    println!("{edited} edits, {refused} calls refused meanwhile, {} served", client.settle(&db).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_others_have_used_up_stops_only_who_needs_it_and_says_so() {
    const CONNECTIONS: usize = 3;
    let db = db::fresh().await;
    let server = process::serve_with(&db, &[("LENSMETER_DATABASE_CONNECTIONS", &CONNECTIONS.to_string())]).await;
    let client = Client::new(&db, &server.url).await;
    client.served("before").await;
    // Each of these asks for its first lease, and waits for this lock with a connection of the pool in its hands.
    let mut newcomers = Vec::new();
    for _ in 0..CONNECTIONS {
        newcomers.push(Client::new(&db, &server.url).await);
    }
    // This one is known, and has no lease yet.
    let late = Client::new(&db, &server.url).await;
    late.http.get(format!("{}/v1/key", server.url)).bearer_auth(&late.key).send().await.unwrap().error_for_status().unwrap();
    let lock = db.begin().await.unwrap();
    let own = client.account.id.0;
    lock.execute_unprepared(&format!("SELECT 1 FROM balance WHERE account_id <> '{own}' FOR UPDATE")).await.unwrap();
    let first = futures_util::future::join_all(newcomers.iter().map(|newcomer| newcomer.call("first")));
    let (first, (during, refused)) = tokio::join!(first, async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while number(&db, waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls = (0..12).map(|call| {
            let client = &client;
            async move { client.call(&format!("during {call}")).await }
        });
        let during = futures_util::future::join_all(calls).await;
        let refused = late.call("late").await;
        lock.rollback().await.unwrap();
        (during, refused)
    });
    // Who has a lease needs nothing of the pool: stored answers and the writer have connections of their own.
    assert!(during.iter().all(|outcome| outcome.0 == 200), "{during:?}");
    assert_unavailable(&refused, "nothing was charged");
    late.eventually_served("late", Duration::from_secs(30)).await;
    for (newcomer, outcome) in newcomers.iter().zip(&first) {
        if outcome.0 != 200 {
            assert_unavailable(outcome, "nothing was charged");
        }
        newcomer.eventually_served("first", Duration::from_secs(30)).await;
        assert_eq!(newcomer.settle(&db).await, 1);
    }
    assert_eq!(client.settle(&db).await, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_megabyte_is_refused_before_it_costs_anything() {
    let db = db::fresh().await;
    let server = process::serve(&db).await;
    let client = Client::new(&db, &server.url).await;
    client.served("before").await;
    for (length, expected) in [(256, Some(422)), (60_000, Some(422)), (1 << 20, None)] {
        let request = client.http.post(format!("{}/v1/detect", server.url)).bearer_auth(&client.key);
        let request = request.header("idempotency-key", "k".repeat(length)).header("content-type", "image/png");
        match (request.body(picture::png(64, 64)).send().await, expected) {
            (Ok(answer), Some(expected)) => {
                assert_eq!(answer.status(), expected, "{length}");
                let problem: Value = answer.json().await.expect("a problem");
                assert_eq!(problem["errors"][0]["field"], "Idempotency-Key", "{problem}");
            }
            // The server reads no head of that size: 431, or an end of the connection while it is still being sent.
            (Ok(answer), None) => assert_eq!(answer.status(), 431),
            (Err(error), None) => assert!(error.is_request() && !error.is_timeout(), "{error}"),
            (Err(error), Some(_)) => panic!("{length}: {error}"),
        }
    }
    client.served("after").await;
    assert_eq!(client.settle(&db).await, 2);
}
