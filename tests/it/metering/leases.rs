//! No overspend, and all credit usable, whatever the replicas do.

use std::sync::Arc;
use std::time::Duration;

use entity::balance;
use entity::money::Nanos;
use lensmeter::metering::limits::LimitError;
use lensmeter::metering::{Metering, Rejected};
use sea_orm::ConnectionTrait as _;

use super::books::{Customer, Refusal, assert_books};
use crate::support::db;

/// The shipped price of a detection.
const PRICE: i64 = 1_500_000;
/// The shipped sign-up credit.
const CREDIT: i64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_never_overspend_and_leave_nothing_behind() {
    let db = db::fresh().await;
    let customer = Arc::new(Customer::new(&db).await);
    // Credit for 40 calls and a little more, which pays for none.
    db.execute_unprepared(&format!("UPDATE balance SET credits = {}", 40 * PRICE + PRICE - 1)).await.unwrap();
    let replicas = [Metering::start(&db), Metering::start(&db), Metering::start(&db)];
    let mut served = 0;
    // A client that is refused while another replica still holds a slice asks again, as the API's 402 invites it to.
    for round in 0..20 {
        let calls = (0..60).map(|index| {
            let (db, replica, customer) = (db.clone(), replicas[index % 3].clone(), customer.clone());
            tokio::spawn(async move { customer.call(&db, &replica, None).await })
        });
        for call in calls.collect::<Vec<_>>() {
            match call.await.expect("no panic") {
                Ok(committed) => {
                    assert_eq!(committed.amount, Nanos(PRICE));
                    served += 1;
                }
                Err(Refusal::Limit(LimitError::Insufficient { .. })) => {}
                Err(other) => panic!("round {round}: {other:?}"),
            }
        }
        for replica in &replicas {
            replica.limits.give_back(Duration::ZERO).await;
        }
        if served == 40 {
            break;
        }
    }
    assert_eq!(served, 40);
    let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((balance.remaining(), balance.held), (Nanos(PRICE - 1), Nanos(0)));
    assert_books(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_held_flows_back() {
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let dead = Metering::start(&db);
    customer.call(&db, &dead, None).await.unwrap();
    // All of the rest is in a lease that nobody answers for.
    db.execute_unprepared("UPDATE lease SET id = gen_random_uuid(), amount = amount + (SELECT credits - debits - held FROM balance)")
        .await
        .unwrap();
    db.execute_unprepared("UPDATE balance SET held = credits - debits").await.unwrap();
    let alive = Metering::start(&db);
    let refused = customer.call(&db, &alive, None).await;
    assert!(
        matches!(refused, Err(Refusal::Limit(LimitError::Insufficient { remaining })) if remaining == Nanos(CREDIT - PRICE)),
        "{refused:?}"
    );
    db.execute_unprepared("UPDATE lease SET expires_at = clock_timestamp() - interval '1 second'").await.unwrap();
    customer.call(&db, &alive, None).await.unwrap();
    assert_books(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_taken_away_fences_its_calls() {
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let metering = Metering::start(&db);
    let admitted = customer.usage(&db, &metering, None).await.unwrap();
    db.execute_unprepared("UPDATE lease SET expires_at = clock_timestamp() - interval '1 second'").await.unwrap();
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::Fenced));
    assert_books(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_refuses_what_code_might_forget() {
    let db = db::fresh().await;
    Customer::new(&db).await;
    let overspend = db.execute_unprepared("UPDATE balance SET debits = credits + 1").await.unwrap_err();
    assert!(lensmeter::platform::db::is_check_violation(&overspend), "{overspend}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_gives_back_what_it_held() {
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let metering = Metering::start(&db);
    drop(customer.usage(&db, &metering, None).await.unwrap());
    metering.limits.give_back(Duration::ZERO).await;
    let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((balance.held, balance.remaining()), (Nanos(0), Nanos(CREDIT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_nothing_is_free() {
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let metering = Metering::start(&db);
    let admitted = customer.usage(&db, &metering, None).await.unwrap();
    let spender = *admitted.hold.spender();
    db.cut().await;
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::Unavailable));
    let fresh = Metering::start(&db);
    let refused = fresh.limits.reserve(&spender, Nanos(PRICE)).await;
    assert_eq!(refused.err(), Some(LimitError::Unavailable));
}
