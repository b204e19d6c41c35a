//! What is not archived: nothing is changed then, and the next try does it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use lensmeter::metering::archive::{self, ArchiveError};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::super::books::{Customer, number};
use super::{Past, at, at_once, begin, month};
use crate::support::make;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_slips_in_behind_the_export_keeps_its_month_in_the_database() {
    let past = Past::new().await;
    let before = past.events().await;
    let slipped = AtomicBool::new(false);
    let slip = |what: &'static str, _| {
        if what == "reading back" && !slipped.swap(true, Ordering::Relaxed) {
            at_once(past.call(&past.customers[1], at("2024-03-20T00:00:00Z"), at("2024-01-31T23:59:59Z")));
        }
    };
    let result = archive::oldest(&past.db, &past.archive, month("2024-02"), make::start(), &slip).await;
    assert!(matches!(result, Err(ArchiveError::Moved { .. })), "{result:?}");
    assert_eq!(past.events().await.len(), before.len() + 1, "nothing is gone");
    assert!(archive::list(&*past.db).await.unwrap().is_empty());
    assert_eq!(number(&past.db, "SELECT count(*) FROM usage_archived").await, 0);
    past.metering.limits.give_back(Duration::ZERO).await;
    past.sound().await;
    // Its period is March, which has no invoice yet.
    let waits = past.oldest("2024-02").await;
    assert!(matches!(waits, Err(ArchiveError::NotInvoiced { .. })), "{waits:?}");
    past.close(&past.customers[1], at("2024-04-02T00:00:00Z")).await;
    assert_eq!(past.oldest("2024-02").await.unwrap().expect("January").events, 47);
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_with_an_open_period_stays_and_so_do_all_after_it() {
    let past = Past::new().await;
    // A customer whose February was never closed, as nobody asked.
    let account = make::account_since(&past.db, "usd", at("2024-02-01T00:00:00Z")).await;
    let (caller, _) = make::key(&past.db, &account).await;
    let late = Customer::of(account, caller);
    past.call(&late, at("2024-02-05T00:00:00Z"), at("2024-02-05T00:00:00Z")).await;
    past.metering.limits.give_back(Duration::ZERO).await;
    assert_eq!(past.oldest("2024-04").await.unwrap().expect("January").month, month("2024-01").date());
    for _ in 0..2 {
        let error = past.oldest("2024-04").await.unwrap_err();
        assert!(matches!(&error, ArchiveError::NotInvoiced { account, .. } if *account == late.account.id), "{error}");
        assert!(error.to_string().contains("2024-02"), "{error}");
    }
    past.close(&late, at("2024-03-02T00:00:00Z")).await;
    assert_eq!(past.oldest("2024-04").await.unwrap().expect("February").events, 35);
    let error = past.oldest("2024-04").await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotInvoiced { .. }), "March is open: {error}");
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_month_is_refused_and_one_that_is_not_archived_is_not_restored() {
    let past = Past::new().await;
    // Tests begin in November, and August ended two months before that.
    for (before, allowed) in [("2026-10", false), ("2026-09", true)] {
        let result = past.oldest(before).await;
        assert_eq!(!matches!(result, Err(ArchiveError::TooYoung { .. })), allowed, "{before}: {result:?}");
    }
    let error = archive::restore(&past.db, &past.archive, month("2024-02"), &|_, _| ()).await.unwrap_err();
    assert!(matches!(error, ArchiveError::NotArchived { .. }), "{error}");
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_nothing_leaves_the_month_where_it_is() {
    let past = Past::new().await;
    let rows = past.events().await;
    std::fs::write(past.folder.join("usage_event"), b"no folder").unwrap();
    let error = past.oldest("2024-02").await.unwrap_err();
    assert!(matches!(error, ArchiveError::Write { .. }), "{error}");
    assert_eq!(past.events().await, rows);
    std::fs::remove_file(past.folder.join("usage_event")).unwrap();
    assert!(past.oldest("2024-02").await.unwrap().is_some());
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_archives() {
    let past = Past::new().await;
    let (one, two) = tokio::join!(past.oldest("2024-02"), past.oldest("2024-02"));
    let done = [&one, &two].iter().filter(|result| matches!(result, Ok(Some(_)))).count();
    assert_eq!(done, 1, "{one:?} {two:?}");
    assert!([&one, &two].iter().any(|result| matches!(result, Err(ArchiveError::Busy) | Ok(None))), "{one:?} {two:?}");
    assert!(past.oldest("2024-02").await.unwrap().is_none(), "it is done");
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_end_is_not_waited_for_and_calls_go_on() {
    let past = Past::new().await;
    let now = begin() + TimeDelta::days(75);
    let reader = past.db.begin().await.unwrap();
    reader.query_one_raw(sea_orm::Statement::from_string(reader.get_database_backend(), "SELECT count(*) FROM usage_event")).await.unwrap();
    let calls = async {
        let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
        while begun.elapsed() < Duration::from_secs(2) {
            let call = Instant::now();
            past.call(&past.customers[0], now, now).await;
            slowest = slowest.max(call.elapsed());
        }
        slowest
    };
    let archiving = async {
        let begun = Instant::now();
        (past.oldest("2024-02").await, begun.elapsed())
    };
    let (slowest, (result, took)) = tokio::join!(calls, archiving);
    assert!(matches!(result, Err(ArchiveError::InUse { .. })), "{result:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // Half a second behind our lock, and what the machine does beside.
    assert!(slowest < Duration::from_secs(2), "a call waited {slowest:?}");
    reader.rollback().await.unwrap();
    assert!(past.oldest("2024-02").await.unwrap().is_some());
    past.metering.limits.give_back(Duration::ZERO).await;
    past.sound().await;
}
