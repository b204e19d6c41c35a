//! Warnings: each told once per crossing, and nothing refused by them.

use std::collections::HashSet;

use entity::money::Nanos;
use entity::{account, mail};
use lensmeter::billing::alert::{self, Settings, SettingsError};
use lensmeter::metering::limits;
use sea_orm::{DatabaseConnection, EntityTrait as _, TransactionTrait as _};

use super::{URL, end_period, use_images};
use crate::support::{db, make};

/// What ten images cost.
const TEN: Nanos = Nanos(15_000_000);

async fn set(db: &DatabaseConnection, account: &account::Model, budget: Option<Nanos>, shares: &[i64], credit_below: Option<Nanos>) {
    let settings = Settings { budget, shares: shares.to_vec(), credit_below };
    alert::set_in(db, account.id, &settings).await.expect("set");
}

/// Looks as two replicas do at once, and returns the subjects that were mailed since the last look.
async fn look(db: &DatabaseConnection, known: &mut HashSet<entity::ids::MailId>) -> Vec<String> {
    let (one, other) = tokio::join!(alert::run(db, URL, make::start()), alert::run(db, URL, make::start()));
    one.and(other).expect("looked");
    let mut all = mail::Entity::find().all(db).await.unwrap();
    all.retain(|letter| known.insert(letter.id));
    all.into_iter().map(|letter| letter.subject).collect()
}

#[tokio::test]
async fn shares_of_a_budget_are_told_once_per_crossing_and_period() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let mut known = HashSet::new();
    set(&db, &account, Some(TEN), &[50, 80, 100], None).await;
    use_images(&db, &account, 4, make::start()).await;
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new(), "40 per cent");
    use_images(&db, &account, 1, make::start()).await;
    assert_eq!(look(&db, &mut known).await, ["50 % of your budget is spent"], "exactly half");
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new(), "told once");
    use_images(&db, &account, 10, make::start()).await;
    assert_eq!(look(&db, &mut known).await, ["100 % of your budget is spent"], "of two at once, the higher one");

    set(&db, &account, Some(Nanos(TEN.0 * 10)), &[10, 50], None).await;
    assert_eq!(look(&db, &mut known).await, ["10 % of your budget is spent"], "a new share that is crossed already");
    set(&db, &account, Some(TEN), &[10, 50], None).await;
    assert_eq!(look(&db, &mut known).await, ["50 % of your budget is spent"], "it was below again, and is crossed again");

    end_period(&db, &account).await;
    known.extend(mail::Entity::find().all(&*db).await.unwrap().into_iter().map(|letter| letter.id));
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new(), "a new period starts at nothing");
    use_images(&db, &account, 9, make::start()).await;
    assert_eq!(look(&db, &mut known).await, ["50 % of your budget is spent"]);
}

#[tokio::test]
async fn without_a_budget_the_cap_is_what_shares_are_of() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let mut known = HashSet::new();
    set(&db, &account, None, &[80], None).await;
    use_images(&db, &account, 9, make::start()).await;
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new(), "neither a budget nor a cap");
    let txn = db.begin().await.unwrap();
    limits::set_cap_in(&txn, account.id, Some(TEN)).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(look(&db, &mut known).await, ["80 % of your spend cap is spent"]);
}

#[tokio::test]
async fn credit_that_runs_low_is_told_again_after_it_was_bought() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let mut known = HashSet::new();
    set(&db, &account, None, &[], Some(Nanos(990_000_000))).await;
    use_images(&db, &account, 6, make::start()).await;
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new());
    use_images(&db, &account, 4, make::start()).await;
    assert_eq!(look(&db, &mut known).await, ["Your credit is below 0.99 USD"]);
    end_period(&db, &account).await;
    known.extend(mail::Entity::find().all(&*db).await.unwrap().into_iter().map(|letter| letter.id));
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new(), "a new period is no new credit");
    make::credit(&db, &account, Nanos(1_000_000_000)).await;
    assert_eq!(look(&db, &mut known).await, Vec::<String>::new());
    set(&db, &account, None, &[], Some(Nanos(5_000_000_000))).await;
    assert_eq!(look(&db, &mut known).await, ["Your credit is below 5.00 USD"]);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let ask = async |budget: Option<i64>, shares: Vec<i64>, credit: Option<i64>| {
        let settings = Settings { budget: budget.map(Nanos), shares, credit_below: credit.map(Nanos) };
        alert::set_in(&*db, account.id, &settings).await
    };
    assert!(matches!(ask(Some(0), vec![], None).await, Err(SettingsError::Budget)));
    for shares in [vec![0], vec![-1], vec![1001], (1..=11).collect()] {
        assert!(matches!(ask(None, shares, None).await, Err(SettingsError::Shares)));
    }
    assert!(matches!(ask(None, vec![], Some(0)).await, Err(SettingsError::Credit)));
    ask(Some(i64::MAX), vec![1000], Some(i64::MAX)).await.expect("the largest there is");
    use_images(&db, &account, 1, make::start()).await;
    alert::run(&db, URL, make::start()).await.expect("and it does not overflow");
}
