//! Batches whose amounts are computed from what is remembered: whatever changed behind this process' back is seen under the
//! locks, and then the call is metered as it stands there.

use chrono::TimeDelta;
use entity::balance;
use entity::money::Nanos;
use lensmeter::billing::close;
use lensmeter::metering::{Committed, Metering, Rejected};
use lensmeter::platform::telemetry;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};

use super::books::{Customer, Refusal, assert_books, number, record};
use crate::support::{db, make};

/// Batches that were committed at once in this process, which is this test's own.
fn at_once() -> u64 {
    let text = telemetry::install_metrics().render();
    let line = text.lines().find_map(|line| line.strip_prefix("lensmeter_commits{way=\"at_once\"} "));
    line.map_or(0, |count| count.parse().expect("a count"))
}

/// Calls until calls are committed at once: nobody else was seen to meter this account.
async fn until_alone(db: &DatabaseConnection, metering: &Metering, customer: &Customer) {
    let before = at_once();
    for _ in 0..10 {
        customer.call(db, metering, None).await.expect("credit");
        if at_once() > before {
            return;
        }
    }
    panic!("ten calls of the only replica, and none at once");
}

/// One call, whose receipt says what the database has.
async fn call(db: &DatabaseConnection, metering: &Metering, customer: &Customer) -> Committed {
    let committed = customer.call(db, metering, None).await.expect("credit");
    let balance = balance::Entity::credit_of(customer.account.id).one(db).await.expect("the database").expect("a balance");
    assert_eq!(committed.remaining, balance.remaining());
    committed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_is_seen_under_the_locks() {
    telemetry::install_metrics();
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let (one, two) = (Metering::start(&db), Metering::start(&db));
    until_alone(&db, &one, &customer).await;

    // Another replica moves the counter and the credit.
    call(&db, &two, &customer).await;
    call(&db, &one, &customer).await;
    until_alone(&db, &one, &customer).await;

    // The customer pays.
    make::credit(&db, &customer.account, Nanos(5_000_000_000)).await;
    let receipt = call(&db, &one, &customer).await;
    assert!(receipt.remaining > Nanos(5_000_000_000));
    assert_books(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_take_turns_on_an_account_stay_exact() {
    telemetry::install_metrics();
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let replicas = [Metering::start(&db), Metering::start(&db)];
    // Runs of every length up to eight, so that each is trusted again and surprised again.
    for length in (1..=8).chain(1..=8) {
        for metering in &replicas {
            for _ in 0..length {
                call(&db, metering, &customer).await;
            }
        }
    }
    assert!(at_once() > 0);
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, 4 * (1..=8).sum::<i64>());
    assert_books(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_period_a_fenced_lease_and_a_second_key_are_refused_as_ever() {
    telemetry::install_metrics();
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let metering = Metering::start(&db);

    until_alone(&db, &metering, &customer).await;
    customer.call(&db, &metering, Some(record("k", 1))).await.expect("the first");
    let second = customer.call(&db, &metering, Some(record("k", 1))).await;
    assert!(matches!(second, Err(Refusal::Rejected(Rejected::Duplicate))), "{second:?}");

    until_alone(&db, &metering, &customer).await;
    let admitted = customer.usage(&db, &metering, None).await.expect("credit");
    db.execute_unprepared("UPDATE lease SET expires_at = clock_timestamp() - interval '1 second'").await.unwrap();
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::Fenced));

    until_alone(&db, &metering, &customer).await;
    let admitted = customer.usage(&db, &metering, None).await.expect("credit");
    db.execute_unprepared("UPDATE balance SET epoch = epoch + 1").await.unwrap();
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::Fenced), "a lease of another epoch");

    db.execute_unprepared("UPDATE balance SET epoch = epoch - 1").await.unwrap();
    until_alone(&db, &metering, &customer).await;
    let admitted = customer.usage(&db, &metering, None).await.expect("credit");
    close::close_due(&db, customer.account.id, make::start() + TimeDelta::days(32)).await.unwrap();
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::PeriodClosed));
    assert_books(&db).await;
}
