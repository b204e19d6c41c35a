//! 500 clients at once on one account, over three processes of the program that share nothing but the database: exactly what
//! the credit pays for is answered, every other call is refused with 402, and nothing is left over.
//!
//! `LENSMETER_SEEDS` says how many times; each seed has an account of its own and its own number of calls that it pays for.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::balance;
use entity::money::Nanos;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::books::{assert_books, number};
use crate::support::db::{self, TestDb};
use crate::support::{make, picture, process};

/// The shipped price of a detection, and the shipped sign-up credit.
const PRICE: i64 = 1_500_000;
const CREDIT: i64 = 1_000_000_000;
const CLIENTS: usize = 500;
const CALLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_answer_exactly_what_the_credit_pays_for() {
    let seeds: u64 = std::env::var("LENSMETER_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let db = db::fresh().await;
    // No rate is in the way.
    make::unhurried(&db).await;
    let servers = [process::serve(&db).await, process::serve(&db).await, process::serve(&db).await];
    let urls = servers.each_ref().map(|server| format!("{}/v1/detect", server.url));
    let mut answered = 0;
    for seed in 0..seeds {
        let paid = run(&db, &urls, seed).await;
        println!("seed {seed}: {paid} calls paid for and answered, {} refused", CLIENTS * CALLS - paid);
        answered += paid;
    }
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, answered as i64);
    assert_books(&db).await;
    process::doctor_books(&db).await;
}

async fn run(db: &TestDb, urls: &[String; 3], seed: u64) -> usize {
    let paid = StdRng::seed_from_u64(seed).random_range(670..CLIENTS * CALLS);
    let account = make::account(db).await;
    make::credit(db, &account, Nanos(paid as i64 * PRICE - CREDIT)).await;
    let key = make::key(db, &account).await.1;
    let (http, picture) = (reqwest::Client::new(), picture::png(64, 64));
    let start = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (http, picture, start) = (http.clone(), picture.clone(), start.clone());
            let (url, key) = (urls[client % urls.len()].clone(), key.clone());
            tokio::spawn(async move {
                start.wait().await;
                let mut statuses = Vec::new();
                for _ in 0..CALLS {
                    let request = http.post(&url).bearer_auth(&key).header("content-type", "image/png").body(picture.clone());
                    let answer = request.send().await.expect("an answer");
                    statuses.push(answer.status().as_u16());
                    answer.bytes().await.expect("all of it");
                }
                statuses
            })
        })
        .collect();
    let mut statuses = BTreeMap::<u16, usize>::new();
    for client in clients {
        for status in client.await.expect("no panic") {
            *statuses.entry(status).or_default() += 1;
        }
    }
    assert_eq!(statuses, BTreeMap::from([(200, paid), (402, CLIENTS * CALLS - paid)]), "seed {seed}");
    let balance = balance::Entity::credit_of(account.id).one(&**db).await.unwrap().unwrap();
    assert_eq!((balance.remaining(), balance.held), (Nanos(0), Nanos(0)), "seed {seed}");
    paid
}
