//! Stored answers are looked up together: each asker gets its own, and nobody another account's.

use futures_util::future::join_all;
use lensmeter::metering::Metering;
use lensmeter::metering::idempotency::{Begun, Keyed, LIFETIME, record_in};
use sea_orm::ConnectionTrait as _;

use crate::support::{db, make};

const ROUTE: &str = "/v1/detect";

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_gets_its_own_answer_and_a_broken_connection_is_replaced() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let (ours, others, now) = (make::account(&db).await.id, make::account(&db).await.id, make::start());
    for account in [ours, others] {
        for number in (0..600).step_by(2) {
            let row = entity::idempotency::Model {
                account_id: account,
                key: format!("k{number}"),
                route: ROUTE.into(),
                fingerprint: vec![7; 32],
                event_id: None,
                answer: format!("{account} {number}").into_bytes(),
                created_at: now,
                expires_at: now + LIFETIME,
            };
            assert!(record_in(&*db, row).await.unwrap());
        }
    }
    for round in 0..3 {
        let asked = join_all((0..600).map(|number| {
            let idempotency = &metering.idempotency;
            async move {
                let key = format!("k{number}");
                idempotency.begin(Keyed { account: ours, key: &key, route: ROUTE, fingerprint: &[7; 32], now }).await.unwrap()
            }
        }));
        for (number, begun) in asked.await.into_iter().enumerate() {
            match begun {
                Begun::Replay(answer) => assert_eq!((number % 2, answer), (0, format!("{ours} {number}").into_bytes()), "round {round}"),
                Begun::First(_) => assert_eq!(number % 2, 1, "round {round}"),
            }
        }
        // What the next round finds its connection to be.
        db.execute_unprepared(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    }
}
