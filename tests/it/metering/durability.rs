//! Kill -9 under load: every answer that a client received is on the bill, nothing is billed twice, and no credit is lost.
//!
//! Two replicas serve a mix of accounts; each round one of them is killed at a random instant. In every fourth round the
//! postmaster and all processes of PostgreSQL are, too, and it is started again on what they left; in every other fourth
//! round a process that serves us is, which makes PostgreSQL crash and recover by itself. `LENSMETER_KILL_ROUNDS` says how
//! many rounds, and that the test waits for leases to run out instead of having them end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::money::Nanos;
use entity::{account, balance, usage_event};
use lensmeter::auth::key::Caller;
use lensmeter::billing::allowance::Allowances;
use lensmeter::metering::limits::{self, Spender};
use lensmeter::metering::{Metering, upkeep};
use lensmeter::platform::clock::Clock;
use rand::RngExt as _;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, Statement};
use tokio::sync::Mutex;

use super::books::{assert_books, number};
use crate::support::db::{self, TestDb};
use crate::support::{make, picture, process};

const ACCOUNTS: usize = 4;
const CLIENTS: usize = 8;

/// Idempotency key → the event that its answer named, once a whole 2xx was read.
type Answers = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// Sends one call and returns the event of its answer; `None` when there was no whole 2xx.
async fn call(http: &reqwest::Client, url: &str, api_key: &str, key: &str) -> Option<String> {
    let request = http.post(format!("{url}/v1/detect")).bearer_auth(api_key).header("idempotency-key", format!("\"{key}\""));
    let answer = request.header("content-type", "image/png").body(picture::png(64, 64)).send().await.ok()?;
    if !answer.status().is_success() {
        // Something is away (for long: then an account whose plan cannot be read is also slowed down), or the first try with
        // the key still runs. Nothing else is wrong with the call.
        assert!(matches!(answer.status().as_u16(), 409 | 429 | 503), "{}: {:?}", answer.status(), answer.text().await);
        return None;
    }
    let body: serde_json::Value = answer.json().await.ok()?;
    Some(body["usage"]["event_id"].as_str().expect("a receipt").to_owned())
}

/// Clients that send one call after the other to both replicas until `until`, whatever becomes of them.
struct Load {
    http: reqwest::Client,
    keys: Vec<String>,
    answers: Answers,
}

impl Load {
    fn start(self: &Arc<Self>, round: usize, urls: [String; 2], until: Instant) -> Vec<tokio::task::JoinHandle<()>> {
        let client = |client: usize| {
            let (load, url) = (self.clone(), urls[client % 2].clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if Instant::now() >= until {
                        return;
                    }
                    // The account is part of the key, so that the retry knows whose it is.
                    let account = (client + number) % ACCOUNTS;
                    let key = format!("{account}-{round}-{client}-{number}");
                    load.answers.lock().await.insert(key.clone(), None);
                    match call(&load.http, &url, &load.keys[account], &key).await {
                        Some(event) => drop(load.answers.lock().await.insert(key, Some(event))),
                        None => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            })
        };
        (0..CLIENTS).map(client).collect()
    }
}

/// What happens to PostgreSQL in a round.
enum Blow {
    None,
    /// SIGKILL for a process that serves one of us: the postmaster then ends all of them and recovers.
    Backend,
    /// SIGKILL for all of it: somebody has to start it again.
    Postmaster,
}

impl Blow {
    fn of(round: usize) -> Self {
        match round % 4 {
            1 => Self::Postmaster,
            3 => Self::Backend,
            _ => Self::None,
        }
    }
}

async fn kill_backend(db: &DatabaseConnection) {
    let victim =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), victim)).await.expect("PostgreSQL answers");
    let pid: i32 = row.expect("the servers are connected").try_get("", "pid").expect("a number");
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill runs");
    assert!(killed.success());
}

async fn recovered(db: &DatabaseConnection) {
    for _ in 0..300 {
        if db.ping().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("PostgreSQL did not come back within 30 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_servers_and_a_killed_database_answered_only_what_is_on_the_bill() {
    let asked = std::env::var("LENSMETER_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = asked.unwrap_or(6);
    let private = db::private().await;
    let db = &private.db;
    let mut customers = Vec::new();
    for _ in 0..ACCOUNTS {
        let account = make::account(db).await;
        make::credit(db, &account, Nanos(1_000_000_000_000)).await;
        let (caller, text) = make::key(db, &account).await;
        customers.push((account, caller, text));
    }
    let keys = customers.iter().map(|(_, _, text)| text.clone()).collect();
    // The load is to be as high as it gets.
    make::unhurried(db).await;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let load = Arc::new(Load { http, keys, answers: Answers::default() });

    let mut servers = [process::serve(db).await, process::serve(db).await];
    let (mut crashes, mut restarts, mut processes) = (0, 0, 0);
    for round in 0..rounds {
        let patience = Duration::from_millis(rand::rng().random_range(100..1200));
        let urls = [servers[0].url.clone(), servers[1].url.clone()];
        let clients = load.start(round, urls, Instant::now() + patience + Duration::from_millis(200));
        tokio::time::sleep(patience).await;
        match Blow::of(round) {
            Blow::None => {}
            Blow::Backend => {
                kill_backend(db).await;
                crashes += 1;
            }
            Blow::Postmaster => {
                processes += private.postmaster.kill();
                restarts += 1;
            }
        }
        servers[round % 2].kill();
        if !private.postmaster.runs() {
            // Away for a moment, while the clients go on asking the server that is left.
            tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..400))).await;
            private.postmaster.start();
        }
        for client in clients {
            client.await.expect("no panic");
        }
        recovered(db).await;
        servers[round % 2] = process::serve(db).await;
    }

    let (calls, answered) = retry_all(&load, &servers[0].url).await;
    drop(servers);
    all_credit_is_usable(db, &customers, asked.is_some()).await;
    settle(db).await;
    let billed = usage_event::Entity::find().all(&**db).await.unwrap();
    let events = load.answers.lock().await;
    let known: HashMap<&str, &str> = events.iter().map(|(key, event)| (event.as_deref().unwrap_or_default(), key.as_str())).collect();
    assert_eq!(billed.len(), calls, "one event per key: none missing, none twice");
    assert!(billed.iter().all(|event| known.contains_key(event.id.to_string().as_str())));
    println!(
        "{rounds} rounds: {crashes} with a process of PostgreSQL, {restarts} with the postmaster and all of its ({processes} processes); \
         {calls} calls, {answered} answered before a kill, {} billed",
        billed.len()
    );
}

/// Sends every call again: what was answered gets the same answer. Returns how many there are, and were answered at first.
async fn retry_all(load: &Arc<Load>, url: &str) -> (usize, usize) {
    let before = load.answers.lock().await.clone();
    let answered = before.values().flatten().count();
    assert!(answered > CLIENTS, "the load was real: {answered} answers");
    let queue = Arc::new(Mutex::new(before.clone().into_iter()));
    let workers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (load, queue, url) = (load.clone(), queue.clone(), url.to_owned());
            tokio::spawn(async move {
                loop {
                    let next = queue.lock().await.next();
                    let Some((key, before)) = next else { return };
                    let account: usize = key.split('-').next().and_then(|account| account.parse().ok()).expect("a key of ours");
                    let event = loop {
                        match call(&load.http, &url, &load.keys[account], &key).await {
                            Some(event) => break event,
                            None => tokio::time::sleep(Duration::from_millis(100)).await,
                        }
                    };
                    assert!(before.as_ref().is_none_or(|before| *before == event), "{key}: the retry got another event");
                    load.answers.lock().await.insert(key, Some(event));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("every retry is answered alike");
    }
    (before.len(), answered)
}

/// Once the leases of the dead have run out, one call could spend all there is, to the nano.
async fn all_credit_is_usable(db: &TestDb, customers: &[(account::Model, Arc<Caller>, String)], patient: bool) {
    match patient {
        true => tokio::time::sleep(limits::LIFETIME + Duration::from_secs(1)).await,
        false => drop(db.execute_unprepared("UPDATE lease SET expires_at = clock_timestamp()").await.unwrap()),
    }
    let (metering, now) = (Metering::start(db), Clock::System.now());
    for (account, caller, _) in customers {
        let admission = Allowances::default().price_of(db, account, "detect", "elements", now).await.unwrap();
        let spender = Spender { account: account.id, key: caller.key.id, period: admission.period_id, at: now };
        let balance = balance::Entity::credit_of(account.id).one(&**db).await.unwrap().unwrap();
        let hold = metering.limits.reserve(&spender, balance.remaining()).await;
        assert!(hold.is_ok(), "{:?} of {}", hold.err(), balance.remaining().0);
    }
    metering.limits.give_back(Duration::ZERO).await;
}

/// The books agree, and nothing is held for anybody.
async fn settle(db: &TestDb) {
    upkeep::run(db, make::start()).await.unwrap();
    assert_eq!(number(db, "SELECT sum(held)::bigint FROM balance").await, 0, "credit is held for nobody");
    assert_books(db).await;
    process::doctor_books(db).await;
    let balances = balance::Entity::find().all(&**db).await.unwrap();
    assert!(balances.iter().all(|balance| balance.remaining().0 > 0));
}
