//! 500 clients at once on one account, over three replicas that share nothing but the database: exactly what the credit
//! pays for is served, the rest is refused, and nothing is left over.
//!
//! `LENSMETER_SEEDS` says how many times; each seed has its own number of calls that the credit pays for.

use std::sync::Arc;

use entity::balance;
use entity::money::Nanos;
use lensmeter::billing::reconcile;
use lensmeter::metering::Metering;
use lensmeter::metering::limits::LimitError;
use lensmeter::platform::db as database;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::books::{Customer, Refusal, assert_books};
use crate::support::{db, make};

/// The shipped price of a detection, and the shipped sign-up credit.
const PRICE: i64 = 1_500_000;
const CREDIT: i64 = 1_000_000_000;
const CLIENTS: usize = 500;
const CALLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_the_credit_pays_for_is_served() {
    let seeds = std::env::var("LENSMETER_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    for seed in 0..seeds {
        let (paid, refused) = run(seed).await;
        println!("seed {seed}: {paid} calls paid for and served, {refused} refused");
    }
}

async fn run(seed: u64) -> (usize, usize) {
    let db = db::fresh().await;
    let paid = StdRng::seed_from_u64(seed).random_range(670..CLIENTS * CALLS);
    let customer = Arc::new(Customer::new(&db).await);
    make::credit(&db, &customer.account, Nanos(paid as i64 * PRICE - CREDIT)).await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let own = database::connect(&db.url, 6).await.unwrap();
        replicas.push((own.clone(), Metering::start(&own)));
    }
    let clients = (0..CLIENTS).map(|client| {
        let ((db, metering), customer) = (replicas[client % 3].clone(), customer.clone());
        tokio::spawn(async move {
            let (mut served, mut refused) = (0, 0);
            for _ in 0..CALLS {
                match customer.call(&db, &metering, None).await {
                    Ok(committed) => served += usize::from(committed.amount == Nanos(PRICE)),
                    Err(Refusal::Limit(LimitError::Insufficient { .. })) => refused += 1,
                    Err(other) => panic!("seed {seed}: {other:?}"),
                }
            }
            (served, refused)
        })
    });
    let (mut served, mut refused) = (0, 0);
    for client in clients.collect::<Vec<_>>() {
        let (more_served, more_refused) = client.await.expect("no panic");
        (served, refused) = (served + more_served, refused + more_refused);
    }
    assert_eq!((served, refused), (paid, CLIENTS * CALLS - paid), "seed {seed}");
    for (_, metering) in &replicas {
        metering.limits.give_back(std::time::Duration::ZERO).await;
    }
    let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((balance.remaining(), balance.held), (Nanos(0), Nanos(0)), "seed {seed}");
    assert_books(&db).await;
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
    for (own, _) in replicas {
        own.close().await.unwrap();
    }
    (served, refused)
}
