//! Credit that buys itself.

use entity::money::{Minor, Nanos};
use entity::top_up::State;
use entity::{account, auto_top_up as rows, top_up as purchases};
use lensmeter::billing::auto_top_up::{self, Settings, SettingsError};
use lensmeter::billing::top_up;
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::collecting::Till;
use super::{URL, assert_balanced, balance};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

fn settings() -> Settings {
    Settings { enabled: true, threshold: Nanos(10 * DOLLAR), amount: Minor(1_000), daily_cap: Minor(2_000) }
}

/// An account with a card on file and six dollars.
async fn customer(db: &DatabaseConnection, till: &Till, card: &str) -> account::Model {
    let account = make::account(db).await;
    let page =
        top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(500), ("https://a.test", "https://b.test"), make::start());
    till.pay(&page.await.expect("a page"), card).await;
    let id = top_up::list(db, account.id).await.unwrap()[0].id;
    top_up::sync(db, &till.stripe, URL, id, make::start()).await.expect("credited");
    let account = account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap();
    auto_top_up::set(db, &account, settings(), make::start()).await.expect("within bounds");
    account
}

async fn set(db: &DatabaseConnection, account: &account::Model) -> rows::Model {
    rows::Entity::of(account.id).one(db).await.unwrap().unwrap()
}

#[tokio::test]
async fn low_credit_buys_itself_once_and_not_above_the_daily_cap() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = customer(&db, &till, "4242424242424242").await;
    let now = make::start();
    assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 1);
    assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 0, "one is under way");
    till.work(&db, now).await;
    till.work(&db, now).await;
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(16 * DOLLAR));
    let mut higher = settings();
    higher.threshold = Nanos(1_000 * DOLLAR);
    auto_top_up::set(&db, &account, higher, now).await.unwrap();
    assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 1);
    till.work(&db, now).await;
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(26 * DOLLAR));
    for hours in [0, 2, 23] {
        assert_eq!(auto_top_up::run(&db, now + chrono::TimeDelta::hours(hours)).await.unwrap(), 0, "two of ten dollars were the cap");
    }
    assert_eq!(auto_top_up::run(&db, now + chrono::TimeDelta::hours(25)).await.unwrap(), 1);
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_at_once_buy_once() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = customer(&db, &till, "4242424242424242").await;
    let runs = (0..6).map(|_| {
        let db = (*db).clone();
        tokio::spawn(async move { auto_top_up::run(&db, make::start()).await.unwrap() })
    });
    let mut begun = 0;
    for run in runs.collect::<Vec<_>>() {
        begun += run.await.unwrap();
    }
    assert_eq!(begun, 1);
    assert_eq!(purchases::Entity::of(account.id).all(&*db).await.unwrap().len(), 2, "the first by hand");
}

#[tokio::test]
async fn a_refusal_is_tried_again_ever_later_and_then_not_at_all() {
    let db = db::fresh().await;
    let till = Till::open().await;
    // No card was ever saved.
    let account = make::account(&db).await;
    auto_top_up::set(&db, &account, settings(), make::start()).await.expect("within bounds");
    let before = balance(&db, &account).await.remaining();
    let mut now = make::start();
    for (failures, hours) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 1);
        till.work(&db, now).await;
        let row = set(&db, &account).await;
        assert_eq!((row.failures, row.enabled, row.next_try_at), (failures, true, now + chrono::TimeDelta::hours(hours)));
        assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 0, "it waits");
        now = row.next_try_at;
    }
    auto_top_up::run(&db, now).await.unwrap();
    till.work(&db, now).await;
    assert!(!set(&db, &account).await.enabled, "the customer has to look");
    let failed = purchases::Entity::of(account.id).all(&*db).await.unwrap().into_iter().filter(|row| row.state == State::Failed).count();
    assert_eq!((failed, balance(&db, &account).await.remaining()), (4, before));
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let refused = async |change: fn(&mut Settings)| {
        let mut new = settings();
        change(&mut new);
        auto_top_up::set(&db, &account, new, make::start()).await.unwrap_err()
    };
    assert!(matches!(refused(|new| new.amount = Minor(499)).await, SettingsError::Amount));
    assert!(matches!(refused(|new| new.amount = Minor(i64::MAX)).await, SettingsError::Amount));
    assert!(matches!(refused(|new| new.threshold = Nanos(-1)).await, SettingsError::Threshold));
    assert!(matches!(refused(|new| new.threshold = Nanos(i64::MAX)).await, SettingsError::Threshold));
    assert!(matches!(refused(|new| new.daily_cap = Minor(999)).await, SettingsError::DailyCap));
    assert!(matches!(refused(|new| new.daily_cap = Minor(i64::MAX)).await, SettingsError::DailyCap));
    assert!(rows::Entity::of(account.id).one(&*db).await.unwrap().is_none());
}
