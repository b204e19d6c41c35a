//! How often: exact over replicas that share only the database, never without a limit, and never lost.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use entity::ids::{AccountId, KeyId};
use lensmeter::metering::rate::{Quota, RateLimits, Refusal, Subjects, forget_old};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::support::db::{self, TestDb};

/// Calls per window, in whatever rhythm.
fn plain(calls: u64) -> Quota {
    Quota { calls, burst: None, concurrent: u32::MAX }
}

fn account(quota: Quota) -> Subjects {
    Subjects { account: (AccountId::new(), quota), key: None }
}

async fn replica(db: &TestDb, window: Duration) -> RateLimits {
    RateLimits::with_window(lensmeter::platform::db::connect(&db.url, 4).await.expect("the database answers"), window)
}

async fn refusal(limits: &RateLimits, subjects: Subjects) -> Option<Refusal> {
    limits.count(subjects).await.verdict.err()
}

/// How many calls are admitted until one is refused.
async fn admitted(limits: &RateLimits, subjects: Subjects) -> u64 {
    let mut admitted = 0;
    while refusal(limits, subjects).await.is_none() {
        admitted += 1;
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_window_replicas_admit_together_what_the_quota_is_and_not_one_more() {
    let db = db::fresh().await;
    for quota in [1, 7, 100, 5_000] {
        let subjects = account(plain(quota));
        let total = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let limits = replica(&db, Duration::from_secs(120)).await;
            for _ in 0..8 {
                let (limits, total) = (limits.clone(), total.clone());
                tasks.push(tokio::spawn(async move {
                    while refusal(&limits, subjects).await.is_none() {
                        total.fetch_add(1, Ordering::Relaxed);
                    }
                }));
            }
        }
        for task in tasks {
            task.await.expect("a client");
        }
        assert_eq!(total.load(Ordering::Relaxed), quota);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_window_has_the_quota_again() {
    let db = db::fresh().await;
    let window = Duration::from_secs(2);
    let (one, two) = (replica(&db, window).await, replica(&db, window).await);
    let subjects = account(plain(40));
    for _ in 0..3 {
        let (first, second) = tokio::join!(admitted(&one, subjects), admitted(&two, subjects));
        assert_eq!(first + second, 40);
        let wait = refusal(&one, subjects).await.expect("none is left").wait.max(refusal(&two, subjects).await.expect("none is left").wait);
        assert!(wait <= window);
        tokio::time::sleep(wait + Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_took_is_lost_until_the_window_ends_and_no_longer() {
    let db = db::fresh().await;
    let window = Duration::from_secs(2);
    let subjects = account(plain(100));
    let dead = replica(&db, window).await;
    for _ in 0..20 {
        assert_eq!(refusal(&dead, subjects).await, None);
    }
    drop(dead);
    let alive = replica(&db, window).await;
    let rest = admitted(&alive, subjects).await;
    println!("20 by the dead, {rest} by the living");
    assert!((60..=80).contains(&rest), "{rest}");
    let wait = refusal(&alive, subjects).await.expect("none is left").wait;
    assert!(wait <= window);
    tokio::time::sleep(wait + Duration::from_millis(20)).await;
    assert_eq!(admitted(&alive, subjects).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_slice_is_counted_without_the_database() {
    let db = db::fresh().await;
    let limits = RateLimits::with_window(db.clone(), Duration::from_secs(600));
    let subjects = account(plain(1_000_000));
    for _ in 0..10_000 {
        assert_eq!(refusal(&limits, subjects).await, None);
    }
    let statement = "SELECT taken FROM rate_window";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), statement)).await.unwrap().unwrap();
    // Twice as many with each: so many in the last slice, at most, and it took so many statements.
    let taken: i64 = row.try_get("", "taken").unwrap();
    println!("{taken} taken for 10 000 calls: {} statements", (taken + 1).ilog2());
    assert!((10_000..20_000).contains(&taken), "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_a_replica_counts_by_itself() {
    let db = db::fresh().await;
    let limits = RateLimits::with_window(db.clone(), Duration::from_secs(60));
    db.cut().await;
    let subjects = account(plain(600));
    let began = Instant::now();
    let mut admitted = 0;
    while began.elapsed() < Duration::from_secs(3) {
        match refusal(&limits, subjects).await {
            None => admitted += 1,
            Some(refusal) => {
                assert!(refusal.wait <= Duration::from_secs(1), "{refusal:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    println!("{admitted} in three seconds of a quota of ten per second");
    assert!((10..=40).contains(&admitted), "{admitted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_its_own_limit_under_that_of_the_account() {
    let db = db::fresh().await;
    let limits = RateLimits::with_window(db.clone(), Duration::from_secs(600));
    let owner = (AccountId::new(), plain(10));
    let of = |key| Subjects { account: owner, key: Some((key, Quota::of_key(NonZeroU32::new(3).unwrap()))) };
    let (one, two) = (of(KeyId::new()), of(KeyId::new()));
    assert_eq!(admitted(&limits, one).await, 3);
    assert_eq!(refusal(&limits, one).await.map(|refusal| refusal.policy), Some("key"));
    assert_eq!(admitted(&limits, two).await, 3, "what the first key was refused is not taken from the account");
    // Four are left to the account.
    assert_eq!(admitted(&limits, Subjects { key: None, account: owner }).await, 4);
    assert_eq!(refusal(&limits, of(KeyId::new())).await.map(|refusal| refusal.policy), Some("account"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_bursts_and_calls_under_way() {
    let db = db::fresh().await;
    let limits = RateLimits::with_window(db.clone(), Duration::from_secs(600));
    let quota = Quota::of_plan(NonZeroU32::new(600).unwrap());
    let subjects = account(quota);
    let began = Instant::now();
    let mut burst = None;
    let mut admitted = 0;
    while burst.is_none() {
        burst = refusal(&limits, subjects).await;
        admitted += u128::from(burst.is_none());
    }
    // Ten come back in each second.
    let back = began.elapsed().as_millis() / 100 + 1;
    assert!((60..=60 + back).contains(&admitted), "{admitted}, {back} came back");
    assert!(burst.is_some_and(|burst| burst.policy == "burst" && burst.wait <= Duration::from_millis(100)), "{burst:?}");

    let slow = account(Quota { concurrent: 2, ..plain(100) });
    let first = limits.count(slow).await.verdict.expect("room for two");
    let second = limits.count(slow).await.verdict.expect("room for two");
    assert_eq!(refusal(&limits, slow).await.map(|refusal| refusal.policy), Some("concurrency"));
    drop(first);
    drop(limits.count(slow).await.verdict.expect("room for one again"));
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_does_not_lock_anyone_out() {
    let db = db::fresh().await;
    let subjects = account(plain(5));
    let window = Duration::from_secs(60);
    assert_eq!(admitted(&replica(&db, window).await, subjects).await, 5);
    db.execute_unprepared("UPDATE rate_window SET starts_at = now() + interval '1 hour'").await.unwrap();
    assert_eq!(admitted(&replica(&db, window).await, subjects).await, 5);
    db.execute_unprepared("UPDATE rate_window SET taken = 1000000, starts_at = now()").await.unwrap();
    assert_eq!(admitted(&replica(&db, window).await, subjects).await, 0);
    db.execute_unprepared("UPDATE rate_window SET starts_at = now() - interval '2 hours'").await.unwrap();
    forget_old(&db).await.unwrap();
    assert_eq!(admitted(&replica(&db, window).await, subjects).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changes_counts_at_once() {
    let db = db::fresh().await;
    let limits = replica(&db, Duration::from_secs(600)).await;
    let owner = AccountId::new();
    let with = |calls| Subjects { account: (owner, plain(calls)), key: None };
    assert_eq!(admitted(&limits, with(5)).await, 5);
    assert_eq!(admitted(&limits, with(8)).await, 3, "the larger quota, less what was used");
    assert_eq!(refusal(&limits, with(2)).await.map(|refusal| refusal.policy), Some("account"));
}
