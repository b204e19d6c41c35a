//! Reconciling names the number that was tampered with.

use entity::money::Nanos;
use lensmeter::billing::reconcile;
use lensmeter::metering::{Metering, limits};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::books::{Customer, record};
use crate::support::db;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_difference_is_named_per_account() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let (honest, victim) = (Customer::new(&db).await, Customer::new(&db).await);
    let txn = db.begin().await.unwrap();
    limits::set_cap_in(&txn, victim.account.id, Some(Nanos(100_000_000))).await.unwrap();
    txn.commit().await.unwrap();
    for call in 0..3 {
        honest.call(&db, &metering, None).await.unwrap();
        victim.call(&db, &metering, Some(record(&format!("k{call}"), 1))).await.unwrap();
    }
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
    let id = victim.account.id.0;
    // What is done, what undoes it, the table and the part of the text that names the number.
    let attacks = [
        (
            format!("UPDATE usage_event SET amount_nanos = amount_nanos + 1 WHERE account_id = '{id}' AND quantity_before = 1"),
            format!("UPDATE usage_event SET amount_nanos = amount_nanos - 1 WHERE account_id = '{id}' AND quantity_before = 1"),
            "usage_rollup",
            "model elements",
        ),
        (
            format!("UPDATE usage_rollup SET events = events + 1 WHERE account_id = '{id}'"),
            format!("UPDATE usage_rollup SET events = events - 1 WHERE account_id = '{id}'"),
            "usage_rollup",
            "hour 2026-11-20 12:00:00",
        ),
        (
            format!(
                "UPDATE usage_counter SET quantity = quantity - 1 WHERE period_id IN (SELECT id FROM period WHERE account_id = '{id}')"
            ),
            format!(
                "UPDATE usage_counter SET quantity = quantity + 1 WHERE period_id IN (SELECT id FROM period WHERE account_id = '{id}')"
            ),
            "usage_counter",
            "quantity",
        ),
        (
            format!("UPDATE balance SET debits = debits + 1 WHERE id = '{id}'"),
            format!("UPDATE balance SET debits = debits - 1 WHERE id = '{id}'"),
            "balance",
            "credit",
        ),
        (
            format!("UPDATE balance SET debits = debits - 1 WHERE account_id = '{id}' AND scope = 'period'"),
            format!("UPDATE balance SET debits = debits + 1 WHERE account_id = '{id}' AND scope = 'period'"),
            "balance",
            "period",
        ),
        (
            format!("UPDATE lease SET amount = amount + 1 WHERE balance_id = '{id}'"),
            format!("UPDATE lease SET amount = amount - 1 WHERE balance_id = '{id}'"),
            "lease",
            "held",
        ),
        (
            format!("UPDATE balance SET credits = credits + 1 WHERE id = '{id}'"),
            format!("UPDATE balance SET credits = credits - 1 WHERE id = '{id}'"),
            "credit_grant",
            "granted",
        ),
        (
            format!("UPDATE credit_grant SET remaining_nanos = remaining_nanos - 1 WHERE account_id = '{id}'"),
            format!("UPDATE credit_grant SET remaining_nanos = remaining_nanos + 1 WHERE account_id = '{id}'"),
            "transfer",
            "burnt",
        ),
        (
            format!("UPDATE idempotency SET event_id = '{id}' WHERE account_id = '{id}' AND key = 'k1'"),
            format!("UPDATE idempotency SET event_id = (SELECT id FROM usage_event WHERE account_id = '{id}' LIMIT 1) WHERE key = 'k1'"),
            "idempotency",
            "key k1",
        ),
    ];
    for (attack, undo, table, what) in attacks {
        db.execute_unprepared(&attack).await.unwrap();
        let found = reconcile::differences(&db, None).await.unwrap();
        let [difference] = &found[..] else { panic!("{attack}: {found:?}") };
        assert_eq!((difference.account, difference.table), (victim.account.id, table), "{attack}");
        assert!(difference.what.contains(what), "{attack}: {difference}");

        assert_eq!(reconcile::differences(&db, Some(honest.account.id)).await.unwrap(), [], "{attack}");
        db.execute_unprepared(&undo).await.unwrap();
        assert_eq!(reconcile::differences(&db, None).await.unwrap(), [], "{undo}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn books_under_load_differ_at_no_instant() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customer = std::sync::Arc::new(Customer::new(&db).await);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (db, customer, metering) = ((*db).clone(), customer.clone(), metering.clone());
            tokio::spawn(async move {
                for _ in 0..25 {
                    customer.call(&db, &metering, None).await.unwrap();
                }
            })
        })
        .collect();
    while callers.iter().any(|caller| !caller.is_finished()) {
        assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
    }
    for caller in callers {
        caller.await.unwrap();
    }
}
