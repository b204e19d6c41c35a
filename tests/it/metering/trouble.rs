//! What goes wrong around metering: hand-edited tables, clocks that jump, a full disk, a pool without a free connection, keys
//! of a megabyte. Refused, or 503, and the books balance afterwards.

use std::time::Duration;

use chrono::TimeDelta;
use entity::balance;
use entity::money::Nanos;
use lensmeter::billing::reconcile;
use lensmeter::metering::limits::LimitError;
use lensmeter::metering::{Metering, Rejected, upkeep};
use lensmeter::platform::db as database;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _};

use super::books::{Customer, Refusal, assert_books, record};
use crate::support::{db, make};

/// The shipped price of a detection, and the shipped sign-up credit.
const PRICE: i64 = 1_500_000;
const CREDIT: i64 = 1_000_000_000;
/// Calls that are left of it when the hand comes in.
const CALLS: i64 = 60;

/// The same call tried again, as inference does when its lease is void. Returns whether it was served at last.
async fn served(db: &DatabaseConnection, metering: &Metering, customer: &Customer) -> bool {
    for _ in 0..3 {
        match customer.usage(db, metering, None).await {
            Ok(usage) => match metering.writer.commit(usage).await {
                Ok(_) => return true,
                Err(Rejected::Fenced) => {}
                Err(_) => return false,
            },
            Err(_) => return false,
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_edited_by_hand_heal() {
    for edit in [
        "DELETE FROM lease",
        "UPDATE lease SET amount = amount * 1000",
        "UPDATE lease SET amount = used",
        "UPDATE lease SET used = amount",
        "UPDATE lease SET epoch = epoch + 1",
        "UPDATE lease SET expires_at = 'epoch'",
        "UPDATE lease SET expires_at = '2100-01-01', recalled_at = '2100-01-01'",
        "UPDATE lease SET id = gen_random_uuid(), expires_at = clock_timestamp()",
        "UPDATE balance SET held = 0",
        "UPDATE balance SET held = credits - debits",
        "UPDATE balance SET epoch = epoch + 1",
        "INSERT INTO lease (id, balance_id, replica, amount, expires_at)
         SELECT gen_random_uuid(), id, id, 9000000000000000000, '2100-01-01' FROM balance",
        // Their sum is no bigint any more.
        "INSERT INTO lease (id, balance_id, replica, amount, expires_at)
         SELECT gen_random_uuid(), id, id, 9000000000000000000, '2100-01-01' FROM balance, generate_series(1, 2)",
    ] {
        let db = db::fresh().await;
        let (customer, metering, other) = (Customer::new(&db).await, Metering::start(&db), Metering::start(&db));
        let mut billed = customer.spend_down_to(&db, &metering, CALLS).await;
        let in_flight = customer.usage(&db, &metering, None).await.unwrap();
        db.execute_unprepared(edit).await.unwrap();
        billed += i64::from(metering.writer.commit(in_flight).await.is_ok());
        // Both replicas use up what they hold and ask for more: all of the credit is there, and no more than that.
        for (replica, calls) in [(&metering, 12), (&other, 12), (&metering, 12)] {
            for call in 0..calls {
                assert!(served(&db, replica, &customer).await, "{edit}: call {call}");
                billed += 1;
            }
        }
        let mut rest = 0;
        while served(&db, &other, &customer).await {
            rest += 1;
        }
        assert_eq!(billed + rest, CREDIT / PRICE, "{edit}");
        for replica in [&metering, &other] {
            replica.limits.give_back(Duration::ZERO).await;
        }
        upkeep::run(&db, make::start()).await.unwrap();
        let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
        assert_eq!((balance.remaining(), balance.held), (Nanos(CREDIT % PRICE), Nanos(0)), "{edit}");
        assert_eq!(reconcile::differences(&db, None).await.unwrap(), [], "{edit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_edited_leases_keeps_no_other_from_its_credit() {
    let db = db::fresh().await;
    let (metering, edited, other) = (Metering::start(&db), Customer::new(&db).await, Customer::new(&db).await);
    for customer in [&edited, &other] {
        customer.call(&db, &metering, None).await.unwrap();
    }
    db.execute_unprepared("UPDATE lease SET expires_at = 'epoch'").await.unwrap();
    db.execute_unprepared(&format!(
        "INSERT INTO lease (id, balance_id, replica, amount, expires_at)
         SELECT gen_random_uuid(), id, id, 9000000000000000000, '2100-01-01' FROM balance, generate_series(1, 2) WHERE id = '{}'",
        edited.account.id.0
    ))
    .await
    .unwrap();
    let found = reconcile::differences(&db, None).await.unwrap();
    assert!(matches!(&found[..], [difference] if difference.table == "lease" && difference.account == edited.account.id), "{found:?}");
    upkeep::run(&db, make::start()).await.unwrap();
    for customer in [&edited, &other] {
        let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
        assert_eq!((balance.remaining(), balance.held), (Nanos(CREDIT - PRICE), Nanos(0)));
        customer.call(&db, &Metering::start(&db), None).await.unwrap();
    }
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_changes_no_sum() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    for hours in [0, 30, -30, 700, -5, 1, -8000, 20_000] {
        let at = make::start() + TimeDelta::hours(hours);
        let usage = customer.usage_at(&db, &metering, Some(record(&format!("at {hours}"), 1)), at).await;
        match usage {
            Ok(usage) => drop(metering.writer.commit(usage).await.unwrap()),
            Err(error) => panic!("{hours}: {error:?}"),
        }
    }
    assert_books(&db).await;
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_answer_of_503_and_no_charge() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    customer.call(&db, &metering, None).await.unwrap();
    db.execute_unprepared(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON usage_event FOR EACH ROW EXECUTE FUNCTION full_disk();",
    )
    .await
    .unwrap();
    let refused = customer.call(&db, &metering, None).await;
    assert!(matches!(refused, Err(Refusal::Rejected(Rejected::Unavailable))), "{refused:?}");
    assert_books(&db).await;
    db.execute_unprepared("DROP TRIGGER full_disk ON usage_event").await.unwrap();
    customer.call(&db, &metering, None).await.unwrap();
    metering.limits.give_back(Duration::ZERO).await;
    let balance = balance::Entity::credit_of(customer.account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((balance.remaining(), balance.held), (Nanos(CREDIT - 2 * PRICE), Nanos(0)));
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_free_connection_is_an_answer_of_503() {
    let db = db::fresh().await;
    let customer = Customer::new(&db).await;
    let small = database::connect(&db.url, 2).await.unwrap();
    let metering = Metering::start(&small);
    let admitted = customer.usage(&db, &metering, None).await.unwrap();
    // One is the recalls' listener's, the other is taken.
    let taken = small.begin().await.unwrap();
    let fresh = Customer::new(&db).await;
    let refused = fresh.usage(&db, &metering, None).await.err();
    assert!(matches!(refused, Some(Refusal::Limit(LimitError::Unavailable))), "{refused:?}");
    taken.rollback().await.unwrap();
    metering.writer.commit(admitted).await.unwrap();
    fresh.call(&db, &metering, None).await.unwrap();
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_megabyte_fails_alone() {
    let db = db::fresh().await;
    let (customer, metering) = (Customer::new(&db).await, Metering::start(&db));
    let huge = customer.usage(&db, &metering, Some(record(&"k".repeat(1 << 20), 1))).await.unwrap();
    let good = customer.usage(&db, &metering, Some(record("k", 1))).await.unwrap();
    let (huge, good) = tokio::join!(metering.writer.commit(huge), metering.writer.commit(good));
    assert_eq!(huge, Err(Rejected::Unavailable));
    assert!(good.is_ok());
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}
