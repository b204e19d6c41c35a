//! Grants: which is burnt first, what expires, what an operator gives and takes, and what customers read of it.

use entity::credit_grant::Kind;
use entity::ids::AccountId;
use entity::ledger_account::Code;
use entity::money::Nanos;
use entity::{account, audit_log, credit_grant, credit_movement};
use lensmeter::billing::credit::adjust::{self, AdjustError, Adjustment};
use lensmeter::billing::credit::expire;
use lensmeter::billing::credit::statement::{self, What};
use lensmeter::billing::invoice::act::Why;
use lensmeter::billing::{close, credit, ledger, reconcile};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _};

use super::shop::{DETECT, Shop, plan_of};
use super::{assert_balanced, balance, end_period, open_period, use_images};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

fn day(day: u32) -> entity::Time {
    make::start() + chrono::TimeDelta::days(day.into())
}

async fn give(db: &DatabaseConnection, account: &account::Model, dollars: i64, priority: Option<i16>, ends: Option<u32>, name: &str) {
    let give = Adjustment::Give { amount: Nanos(dollars * DOLLAR), kind: Kind::Promotional, priority, expires_at: ends.map(day) };
    adjust::adjust(db, account.id, give, (name, why(name)), make::start()).await.expect("given");
}

fn why(reason: &str) -> Why<'_> {
    Why { actor: "operator", reason }
}

async fn left(db: &DatabaseConnection, account: &account::Model, name: &str) -> i64 {
    let grants = credit_grant::Entity::of(account.id).all(db).await.unwrap();
    grants.iter().find(|grant| grant.reason == name).unwrap().remaining_nanos.0
}

#[tokio::test]
async fn grants_burn_by_priority_then_by_expiry_then_by_age() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    give(&db, &account, 1, Some(10), None, "urgent").await;
    give(&db, &account, 1, None, Some(200), "late").await;
    give(&db, &account, 1, None, Some(100), "soon").await;
    // The gift of the sign-up never expires: after both.
    use_images(&db, &account, 1_500, make::start()).await;
    end_period(&db, &account).await;
    assert_eq!((left(&db, &account, "urgent").await, left(&db, &account, "soon").await), (0, 0));
    assert_eq!(left(&db, &account, "late").await, 750_000_000);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn what_usage_took_by_then_is_kept_and_the_rest_is_lost() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    give(&db, &account, 10, Some(10), Some(10), "short").await;
    use_images(&db, &account, 2_000, make::start()).await;
    assert_eq!(expire::expire_due(&db, account.id, day(9)).await.unwrap(), 0, "not yet");
    assert_eq!(expire::expire_due(&db, account.id, day(10)).await.unwrap(), 1);
    assert_eq!(expire::expire_due(&db, account.id, day(11)).await.unwrap(), 0, "once");
    // Three dollars were used of ten.
    assert_eq!(left(&db, &account, "short").await, 3 * DOLLAR);
    assert_eq!(ledger::balance_of(&*db, None, Code::Breakage).await.unwrap(), Nanos(-7 * DOLLAR));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(DOLLAR), "the gift of the sign-up");
    use_images(&db, &account, 100, day(12)).await;
    let (invoice, _) = end_period(&db, &account).await;
    assert_eq!(invoice.total_minor.0, 0);
    assert_eq!(left(&db, &account, "short").await, 0, "what it had paid for is billed to it, though its time is over");
    assert_eq!(credit::unburnt(&*db, account.id).await.unwrap(), Nanos(DOLLAR - 100 * 1_500_000));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(DOLLAR - 100 * 1_500_000));
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_volume_price_gives_back_of_lapsed_credit_lapses_as_well() {
    let tiers = "[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Detection\"\nscheme = \"volume\"\n\
                 tiers = [{ up_to = 3, unit = \"0.10\" }, { unit = \"0.07\" }]\n";
    let shop = Shop::on(&plan_of("test", "eur", "base_fee = \"0\"", tiers)).await;
    give(&shop.db, &shop.account, 10, Some(10), Some(10), "short").await;
    shop.calls(4, DETECT).await;
    shop.metering.limits.give_back(std::time::Duration::ZERO).await;
    assert_eq!(expire::expire_due(&shop.db, shop.account.id, day(10)).await.unwrap(), 1);
    assert_eq!(left(&shop.db, &shop.account, "short").await, 300_000_000, "what the calls had taken by then");
    shop.end_period().await;
    assert_eq!(left(&shop.db, &shop.account, "short").await, 20_000_000, "30 cents were taken and 28 billed");
    assert_eq!(expire::expire_due(&shop.db, shop.account.id, day(40)).await.unwrap(), 1);
    assert_eq!(left(&shop.db, &shop.account, "short").await, 0);
    assert_eq!(ledger::balance_of(&*shop.db, None, Code::Breakage).await.unwrap(), Nanos(-9_720_000_000), "both losses are booked");
    assert_eq!(reconcile::differences(&shop.db, None).await.unwrap(), []);
    assert_balanced(&shop.db).await;
}

#[tokio::test]
async fn closing_expires_first_what_ended_in_the_period() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    give(&db, &account, 10, None, Some(10), "short").await;
    let end = open_period(&db, &account).await.ends_at;
    close::close_due(&db, account.id, end).await.unwrap();
    assert_eq!(left(&db, &account, "short").await, 0);
    let moved = credit_movement::Entity::of(account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((moved.at, moved.amount_nanos), (day(10), Nanos(10 * DOLLAR)), "at its own time, not when it was found");
}

#[tokio::test]
async fn an_operator_takes_back_only_what_is_not_spent_and_nothing_without_a_reason() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 400, make::start()).await;
    let take = |nanos| Adjustment::Revoke { amount: Nanos(nanos) };
    let act = async |what, name: &str, reason: &str| adjust::adjust(&db, account.id, what, (name, why(reason)), make::start()).await;
    // 60 of 100 cents are spent.
    let more = act(take(400_000_001), "a", "too much").await.unwrap_err();
    assert_eq!(more.to_string(), "the account has 0.40 left to spend");
    assert!(matches!(act(take(1), "a", "  ").await, Err(AdjustError::Reason)));
    assert!(matches!(act(take(0), "a", "nothing").await, Err(AdjustError::Nothing)));
    assert!(matches!(act(take(i64::MIN), "a", "odd").await, Err(AdjustError::Nothing)));
    let over = Adjustment::Give { amount: Nanos(1), kind: Kind::Paid, priority: None, expires_at: Some(make::start()) };
    assert!(matches!(act(over, "a", "over").await, Err(AdjustError::Expiry)));
    assert_eq!(audit_log::Entity::find().count(&*db).await.unwrap(), 0, "nothing half done");
    assert_eq!(act(take(100_000_000), "a", "by mistake").await.unwrap(), Nanos(300_000_000));
    assert!(matches!(act(take(100_000_000), "a", "by mistake").await, Err(AdjustError::Repeated)));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(300_000_000), "the repetition changed nothing");
    let unknown = adjust::adjust(&db, AccountId::new(), take(1), ("b", why("who")), make::start()).await;
    assert!(matches!(unknown, Err(AdjustError::Unknown)));
    let entry = audit_log::Entity::of(account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!(
        (entry.action.as_str(), entry.reason.as_str(), entry.detail["amount"].as_str()),
        ("credit.adjust", "by mistake", Some("-0.10"))
    );
    for change in ["UPDATE audit_log SET reason = ''", "DELETE FROM audit_log", "UPDATE credit_movement SET amount_nanos = 1"] {
        assert!(db.execute_unprepared(change).await.is_err(), "{change}");
    }
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_statement_ends_at_what_is_left() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, Nanos(5 * DOLLAR)).await;
    give(&db, &account, 10, Some(10), Some(10), "short").await;
    use_images(&db, &account, 2_000, make::start()).await;
    end_period(&db, &account).await;
    use_images(&db, &account, 10, make::start()).await;
    let lines = statement::statement(&db, &account, make::start()).await.unwrap();
    let read: Vec<_> = lines.iter().map(|line| (line.what, line.amount.0, line.balance.0)).collect();
    assert_eq!(
        read,
        [
            (What::Promotional, DOLLAR, DOLLAR),
            (What::Paid, 5 * DOLLAR, 6 * DOLLAR),
            (What::Promotional, 10 * DOLLAR, 16 * DOLLAR),
            (What::Expired, -7 * DOLLAR, 9 * DOLLAR),
            (What::Used, -3 * DOLLAR, 6 * DOLLAR),
            (What::Unbilled, -15_000_000, 6 * DOLLAR - 15_000_000),
        ]
    );
    assert_eq!(lines.last().unwrap().balance, balance(&db, &account).await.remaining());
    let other = make::account(&db).await;
    assert_eq!(statement::statement(&db, &other, make::start()).await.unwrap().len(), 1, "its own gift alone");
}
