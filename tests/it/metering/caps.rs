//! Caps of accounts and budgets of keys: exact, from the moment they are set, in every window.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::balance::Scope;
use entity::money::Nanos;
use lensmeter::billing::reconcile;
use lensmeter::metering::limits::{self, LimitError};
use lensmeter::metering::{Metering, Rejected, upkeep};
use sea_orm::{DatabaseConnection, TransactionTrait as _};

use super::books::{Customer, Refusal, assert_books, number};
use crate::support::{db, make};

/// The shipped price of a detection.
const PRICE: i64 = 1_500_000;

async fn cap(db: &DatabaseConnection, customer: &Customer, calls: Option<i64>) {
    let txn = db.begin().await.unwrap();
    limits::set_cap_in(&txn, customer.account.id, calls.map(|calls| Nanos(calls * PRICE))).await.unwrap();
    txn.commit().await.unwrap();
}

async fn budget(db: &DatabaseConnection, customer: &Customer, scope: Scope, calls: i64) {
    let txn = db.begin().await.unwrap();
    limits::set_budget_in(&txn, customer.account.id, customer.caller.key.id, scope, Some(Nanos(calls * PRICE))).await.unwrap();
    txn.commit().await.unwrap();
}

/// Calls until refused; a call whose lease turned out void is admitted anew, as inference does.
async fn calls(db: &DatabaseConnection, metering: &Metering, customer: &Customer, at: entity::Time) -> (usize, LimitError) {
    let mut served = 0;
    loop {
        match customer.usage_at(db, metering, None, at).await {
            Ok(usage) => match metering.writer.commit(usage).await {
                Ok(_) => served += 1,
                Err(Rejected::Fenced) => {}
                Err(other) => panic!("{other}"),
            },
            Err(Refusal::Limit(error)) => return (served, error),
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn assert_reconciled(db: &DatabaseConnection) {
    assert_books(db).await;
    assert_eq!(reconcile::differences(db, None).await.unwrap(), []);
}

fn reached(scope: Scope, remaining: i64) -> LimitError {
    LimitError::CapReached { scope, remaining: Nanos(remaining) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_is_exact_whether_raised_lowered_or_taken_away() {
    let db = db::fresh().await;
    let (customer, metering, now) = (Customer::new(&db).await, Metering::start(&db), make::start());
    let used = customer.usage(&db, &metering, None).await.unwrap();
    metering.writer.commit(used).await.unwrap();
    // What was spent before counts.
    cap(&db, &customer, Some(10)).await;
    assert_eq!(calls(&db, &metering, &customer, now).await, (9, reached(Scope::Period, 0)));
    cap(&db, &customer, Some(12)).await;
    assert_eq!(calls(&db, &metering, &customer, now).await, (2, reached(Scope::Period, 0)));
    cap(&db, &customer, Some(5)).await;
    assert_eq!(calls(&db, &metering, &customer, now).await, (0, reached(Scope::Period, 0)));
    assert_reconciled(&db).await;
    cap(&db, &customer, None).await;
    // The leases of before are void; from then on calls are served again.
    drop(customer.call(&db, &metering, None).await);
    customer.call(&db, &metering, None).await.unwrap();
    let states = limits::states(&*db, &customer.spender(&db, now).await).await.unwrap();
    assert!(states.is_empty());
    assert_reconciled(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_does_not_pass_a_cap_that_it_did_not_know() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    let in_flight = customer.usage(&db, &metering, None).await.unwrap();
    cap(&db, &customer, Some(0)).await;
    assert_eq!(metering.writer.commit(in_flight).await, Err(Rejected::Fenced));
    assert_eq!(calls(&db, &metering, &customer, make::start()).await, (0, reached(Scope::Period, 0)));
    assert_reconciled(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_follow_the_calendar_and_the_tightest_one_refuses() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    budget(&db, &customer, Scope::Day, 3).await;
    budget(&db, &customer, Scope::Week, 5).await;
    budget(&db, &customer, Scope::Month, 6).await;
    // A Friday in November, the days after it, and one in December.
    let friday = make::start();
    let days = |days| friday + TimeDelta::days(days);
    assert_eq!(calls(&db, &metering, &customer, friday).await, (3, reached(Scope::Day, 0)));
    assert_eq!(calls(&db, &metering, &customer, days(1)).await, (2, reached(Scope::Week, 0)));
    assert_eq!(calls(&db, &metering, &customer, days(4)).await, (1, reached(Scope::Month, 0)));
    assert_eq!(calls(&db, &metering, &customer, days(12)).await, (3, reached(Scope::Day, 0)));
    // A clock that jumps back finds the windows of then, as they were left.
    assert_eq!(calls(&db, &metering, &customer, friday).await, (0, reached(Scope::Month, 0)));
    let spent: Vec<i64> =
        limits::states(&*db, &customer.spender(&db, friday).await).await.unwrap().iter().map(|state| state.spent.0 / PRICE).collect();
    assert_eq!(spent, [6, 5, 3]);
    // Another key of the account has no budget.
    let (other, _) = make::key(&db, &customer.account).await;
    let other = Customer::of(customer.account.clone(), other);
    other.call(&db, &metering, None).await.unwrap();
    assert_reconciled(&db).await;
    // Windows that are long over are forgotten, and found again as they were.
    metering.limits.give_back(std::time::Duration::ZERO).await;
    upkeep::run(&db, days(120)).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM balance WHERE scope <> 'credit'").await, 0);
    assert_eq!(calls(&db, &metering, &customer, friday).await, (0, reached(Scope::Month, 0)));
    assert_reconciled(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tight_budget_refused_is_not_held_elsewhere() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    cap(&db, &customer, Some(100)).await;
    budget(&db, &customer, Scope::Day, 1).await;
    assert_eq!(calls(&db, &metering, &customer, make::start()).await.0, 1);
    metering.limits.give_back(std::time::Duration::ZERO).await;
    assert_eq!(number(&db, "SELECT sum(held)::bigint FROM balance").await, 0);
    assert_reconciled(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_change_under_load_are_never_passed() {
    let db = db::fresh().await;
    let customer = Arc::new(Customer::new(&db).await);
    let replicas = [Metering::start(&db), Metering::start(&db)];
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (db, customer, metering) = ((*db).clone(), customer.clone(), replicas[caller % 2].clone());
            tokio::spawn(async move {
                let mut served = 0;
                for _ in 0..40 {
                    served += match customer.usage(&db, &metering, None).await {
                        Ok(usage) => usize::from(metering.writer.commit(usage).await.is_ok()),
                        Err(_) => 0,
                    };
                }
                served
            })
        })
        .collect();
    for calls in [400, 60, 90, 20, 120] {
        cap(&db, &customer, Some(calls)).await;
        budget(&db, &customer, Scope::Day, calls + 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let mut served = 0;
    for caller in callers {
        served += caller.await.unwrap();
    }
    assert!(served as i64 <= 400);
    let over = "SELECT count(*) FROM balance WHERE debits + held > credits - floor OR held < 0";
    assert_eq!(number(&db, over).await, 0);
    assert_reconciled(&db).await;
}
