//! The group commit: a poisoned call fails alone, whatever the size of its batch; a full queue says so.

use std::sync::Arc;
use std::time::Duration;

use entity::money::{Nanos, Overflow};
use lensmeter::billing::reconcile;
use lensmeter::metering::{Committed, Metering, Rejected, Usage};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::books::{Customer, number, record};
use crate::support::db::TestDb;
use crate::support::{db, make};

/// Commits all of them at once, with the balance locked for `pause`, so that they are in one or two batches.
async fn commit_behind_a_lock(
    db: &TestDb,
    metering: &Metering,
    usages: Vec<Usage>,
    pause: Duration,
) -> Vec<tokio::task::JoinHandle<Result<Committed, Rejected>>> {
    let blocking = db.begin().await.unwrap();
    blocking.execute_unprepared("SELECT 1 FROM balance FOR UPDATE").await.unwrap();
    let commit = |usage| {
        let metering = metering.clone();
        tokio::spawn(async move { metering.writer.commit(usage).await })
    };
    let commits = usages.into_iter().map(commit).collect();
    tokio::time::sleep(pause).await;
    blocking.rollback().await.unwrap();
    commits
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_in_a_large_batch_fails_alone() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    let mut usages = Vec::new();
    for call in 0..200 {
        let mut usage = customer.usage(&db, &metering, Some(record(&format!("k{call}"), 1))).await.unwrap();
        match call {
            // A text that PostgreSQL does not take, a price that cannot be told, a key that another call of the batch has.
            17 | 150 => usage.model = "\0".into(),
            60 => usage.charge = Arc::new(|_, _| Err(Overflow)),
            99 => usage.record = Some(record("k98", 1)),
            _ => {}
        }
        usages.push(usage);
    }
    let commits = commit_behind_a_lock(&db, &metering, usages, Duration::from_millis(100)).await;
    for (call, commit) in commits.into_iter().enumerate() {
        let outcome = commit.await.unwrap();
        match call {
            17 | 150 | 60 => assert_eq!(outcome, Err(Rejected::Unavailable), "{call}"),
            99 | 98 => {}
            _ => assert!(outcome.is_ok(), "{call}: {outcome:?}"),
        }
    }
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, 196);
    assert_eq!(number(&db, "SELECT count(*) FROM idempotency").await, 196);
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_may_wait_are_told_so() {
    const CALLS: usize = 10_000;
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    make::credit(&db, &customer.account, Nanos(100_000_000_000)).await;
    let mut usages = Vec::new();
    for _ in 0..CALLS {
        usages.push(customer.usage(&db, &metering, None).await.unwrap());
    }
    let commits = commit_behind_a_lock(&db, &metering, usages, Duration::from_millis(200)).await;
    let (mut served, mut overloaded) = (0, 0);
    for commit in commits {
        match commit.await.unwrap() {
            Ok(_) => served += 1,
            Err(Rejected::Overloaded) => overloaded += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(overloaded > 0 && served >= 8192, "{served} served, {overloaded} turned away");
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, served);
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_the_same_accounts_never_wait_for_each_other_in_a_circle() {
    let db = db::fresh().await;
    let customers = Arc::new([Customer::new(&db).await, Customer::new(&db).await, Customer::new(&db).await, Customer::new(&db).await]);
    let replicas = [Metering::start(&db), Metering::start(&db), Metering::start(&db)];
    let callers: Vec<_> = (0..24)
        .map(|caller| {
            let (db, customers, metering) = ((*db).clone(), customers.clone(), replicas[caller % 3].clone());
            tokio::spawn(async move {
                for call in 0..30 {
                    // Each walks the accounts in another order.
                    let customer = &customers[(call * (1 + caller % 3) + caller) % 4];
                    customer.call(&db, &metering, None).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(number(&db, deadlocks).await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, 720);
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}
