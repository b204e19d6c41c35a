//! Changing, pausing and ending a subscription: periods without gap or overlap, and fees whose parts are the whole.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::money::Minor;
use entity::{Time, account, invoice_line, period, subscription};
use lensmeter::accounts::clock::{self, Advance};
use lensmeter::billing::allowance::{AllowanceError, Allowances};
use lensmeter::billing::jobs::Means;
use lensmeter::billing::stripe::Stripe;
use lensmeter::billing::subscription::{Act, ChangeError, act, consequence, state};
use lensmeter::billing::{close, plan, reconcile};
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config::{Dunning, Seller};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryOrder as _};

use super::shop::{DETECT, Shop, plan_of};
use super::{assert_balanced, open_period, plain_paper, seller};
use crate::support::make;

fn at(text: &str) -> Time {
    text.parse().expect("an instant")
}

fn priced(code: &str, fee: &str) -> String {
    let price = "[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Detection\"\nscheme = \"unit\"\nunit = \"0.01\"\n";
    plan_of(code, "eur", &format!("base_fee = \"{fee}\""), price)
}

/// An account on `a` (30.00 a month), with `b` (90.00) and `c` (30.00) beside it.
async fn three_plans() -> Shop {
    let shop = Shop::on(&priced("a", "30")).await;
    let others = [("b", "90"), ("c", "30")].map(|(code, fee)| plan::parse(code, &priced(code, fee)).expect("a plan"));
    plan::apply(&shop.db, others.into(), make::start()).await.expect("applied");
    shop
}

fn now(code: &str) -> Act {
    Act::ChangeNow(code.into())
}

fn plain() -> Seller {
    Seller { template: Some(plain_paper()), ..seller() }
}

async fn periods(shop: &Shop) -> Vec<period::Model> {
    let all = period::Entity::of(shop.account.id).order_by_asc(period::Column::StartsAt).all(&*shop.db).await.expect("periods");
    assert!(all.windows(2).all(|pair| pair[0].ends_at <= pair[1].starts_at && pair[0].state == period::State::Closed), "{all:?}");
    all
}

/// What was charged as fees on the invoices of closed periods.
async fn fees(shop: &Shop) -> Vec<i64> {
    let mut fees = Vec::new();
    for period in periods(shop).await.into_iter().filter(|period| period.state == period::State::Closed) {
        shop.issue(period.id, period.ends_at).await;
        let invoices = lensmeter::billing::invoice::list(&*shop.db, shop.account.id).await.expect("invoices");
        let invoice = invoices.into_iter().find(|invoice| invoice.period_id == period.id).expect("its invoice");
        let lines = invoice_line::Entity::of(&invoice).all(&*shop.db).await.expect("lines");
        fees.push(lines.iter().filter(|line| line.kind == invoice_line::Kind::BaseFee).map(|line| line.amount_minor.0).sum());
    }
    fees
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_now_cuts_the_period_and_says_before_what_it_costs() {
    let shop = three_plans().await;
    shop.calls(3, DETECT).await;
    // Half of the thirty days from 20 November to 20 December.
    let middle = at("2026-12-05T12:00:00Z");
    let said = consequence(&shop.db, &shop.account, &seller(), &now("b"), middle).await.unwrap();
    assert_eq!((said.effective_at, said.next_fee), (middle, Some(Minor(4500))));
    assert_eq!(said.next_period, Some((middle, at("2026-12-20T12:00:00Z"))));
    let today = said.today.expect("the period ends");
    assert_eq!((today.subtotal, today.credits_applied, today.total), (Minor(1503), Minor(3), Minor(1500)));

    act(&shop.db, shop.account.id, &now("b"), middle).await.unwrap();
    let cut = periods(&shop).await.remove(0);
    assert_eq!(
        shop.issue(cut.id, middle).await,
        "base_fee: 1 x Test plan, fee from 2026-11-20 to 2026-12-05 = 15.00 -> 15.00\nusage: 3 x Detection = 0.03 -> 0.03\n\
         15.03 - 0.03 = 15.00 eur",
        "as it was said"
    );
    assert_eq!(
        shop.end_period().await.lines().next().unwrap(),
        "base_fee: 1 x Test plan, fee from 2026-12-05 to 2026-12-20 = 45.00 -> 45.00"
    );
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 90.00 -> 90.00"), "the anniversary stays");
    assert_eq!(periods(&shop).await.last().unwrap().starts_at, at("2027-01-20T12:00:00Z"));
    assert_balanced(&shop.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_month_cost_what_the_month_costs() {
    let shop = three_plans().await;
    // To and fro between two plans of one fee, at odd instants.
    for (code, when) in [("c", "2026-11-20T12:00:00.000007Z"), ("a", "2026-11-27T03:14:15.926535Z"), ("c", "2026-12-13T23:59:59.999999Z")] {
        act(&shop.db, shop.account.id, &now(code), at(when)).await.unwrap();
    }
    close::close_due(&shop.db, shop.account.id, at("2026-12-20T12:00:00Z")).await.unwrap();
    let fees = fees(&shop).await;
    assert_eq!((fees.len(), fees.iter().sum::<i64>()), (4, 3000), "{fees:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_the_end_waits_and_can_be_taken_back() {
    let shop = three_plans().await;
    let (id, early) = (shop.account.id, at("2026-11-25T00:00:00Z"));
    let later = |code: &str| Act::ChangeAtPeriodEnd(code.into());
    act(&shop.db, id, &later("b"), early).await.unwrap();
    let known = state(&*shop.db, &shop.account).await.unwrap().unwrap();
    assert_eq!((known.plan_code.as_str(), known.next.unwrap().base_fee_minor), ("a", Minor(9000)));
    act(&shop.db, id, &Act::Undo, early).await.unwrap();
    assert!(matches!(act(&shop.db, id, &Act::Undo, early).await, Err(ChangeError::NothingToUndo)));
    act(&shop.db, id, &later("b"), early).await.unwrap();
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 30.00"));
    let known = state(&*shop.db, &shop.account).await.unwrap().unwrap();
    assert_eq!((known.plan_code.as_str(), known.at_period_end()), ("b", None));
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 90.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_account_is_served_to_the_end_and_can_come_back() {
    let shop = three_plans().await;
    let id = shop.account.id;
    act(&shop.db, id, &Act::CancelAtPeriodEnd, at("2026-11-25T00:00:00Z")).await.unwrap();
    shop.calls(1, DETECT).await;
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 30.00"));
    let price = async |when| Allowances::default().price_of(&shop.db, &shop.account, "detect", "elements", when).await;
    let over = at("2027-02-01T00:00:00Z");
    assert!(matches!(price(over).await, Err(AllowanceError::Canceled)));
    for refused in [Act::CancelAtPeriodEnd, Act::PauseNow, Act::Resume, Act::ChangeAtPeriodEnd("b".into())] {
        let error = act(&shop.db, id, &refused, over).await.unwrap_err();
        assert!(matches!(error, ChangeError::NotRunning | ChangeError::NotPaused), "{refused:?}: {error}");
    }
    act(&shop.db, id, &now("b"), over).await.unwrap();
    let open = open_period(&shop.db, &shop.account).await;
    assert_eq!((open.starts_at, open.ends_at), (over, at("2027-03-01T00:00:00Z")), "months are counted from the new start");
    assert!(price(over).await.is_ok());
    assert!(
        period::Entity::of(id)
            .all(&*shop.db)
            .await
            .unwrap()
            .iter()
            .all(|period| period.ends_at <= at("2026-12-20T12:00:00Z") || period.id == open.id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_costs_nothing_and_the_anniversary_stays() {
    let shop = three_plans().await;
    let id = shop.account.id;
    // Ten of thirty days, a pause of thirty, twenty-one of the thirty-one days to 20 January.
    act(&shop.db, id, &Act::PauseNow, at("2026-11-30T12:00:00Z")).await.unwrap();
    let paused = Allowances::default().price_of(&shop.db, &shop.account, "detect", "elements", at("2026-12-01T00:00:00Z")).await;
    assert!(matches!(paused, Err(AllowanceError::Paused)));
    assert_eq!(close::close_due(&shop.db, id, at("2026-12-25T00:00:00Z")).await.unwrap(), 0);
    act(&shop.db, id, &Act::Resume, at("2026-12-30T12:00:00Z")).await.unwrap();
    assert!(matches!(act(&shop.db, id, &Act::Resume, at("2026-12-30T13:00:00Z")).await, Err(ChangeError::NotPaused)));
    close::close_due(&shop.db, id, at("2027-01-20T12:00:00Z")).await.unwrap();
    assert_eq!(fees(&shop).await, [1000, 2032], "3000 × 21 / 31 = 2032.26");
    act(&shop.db, id, &Act::PauseAtPeriodEnd, at("2027-01-21T00:00:00Z")).await.unwrap();
    close::close_due(&shop.db, id, at("2027-05-20T12:00:00Z")).await.unwrap();
    assert_eq!(state(&*shop.db, &shop.account).await.unwrap().unwrap().status(), "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let shop = three_plans().await;
    let yen = plan::parse("yen", &priced("yen", "5").replace("\"eur\"", "\"jpy\"")).unwrap();
    let hidden = plan::parse("hidden", &priced("hidden", "5").replace("base_fee", "listed = false\nbase_fee")).unwrap();
    plan::apply(&shop.db, vec![yen, hidden], make::start()).await.unwrap();
    let before = subscription::Entity::find().all(&*shop.db).await.unwrap();
    for (code, expected) in [
        ("a", "the account is on this plan already"),
        ("nobody", "there is no plan \"nobody\" to choose"),
        ("hidden", "there is no plan \"hidden\" to choose"),
        ("yen", "the plan \"yen\" is in jpy, the account in eur"),
        ("", "there is no plan \"\" to choose"),
    ] {
        for act_of in [Act::ChangeNow(code.into()), Act::ChangeAtPeriodEnd(code.into())] {
            let said = consequence(&shop.db, &shop.account, &seller(), &act_of, make::start()).await.unwrap_err().to_string();
            let refused = act(&shop.db, shop.account.id, &act_of, make::start()).await.unwrap_err().to_string();
            assert_eq!((said.as_str(), refused.as_str()), (expected, expected));
        }
    }
    assert_eq!(subscription::Entity::find().all(&*shop.db).await.unwrap(), before);
    // The database itself holds no two periods or subscriptions of an account at one time.
    for sql in [
        "INSERT INTO period SELECT gen_random_uuid(), account_id, subscription_id, starts_at + interval '1 day', ends_at, 'closed',
                cycle_starts_at, cycle_ends_at FROM period WHERE state = 'open'",
        "INSERT INTO subscription (id, account_id, plan_version_id, started_at, anchor)
         SELECT gen_random_uuid(), account_id, plan_version_id, started_at + interval '1 day', anchor FROM subscription WHERE ended_at IS NULL",
    ] {
        assert!(shop.db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_while_calls_are_booked_lose_nothing() {
    let shop = Arc::new(three_plans().await);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let shop = shop.clone();
            // Refused by a period that was cut: inference admits again.
            tokio::spawn(async move { while shop.call(DETECT, make::start() + TimeDelta::hours(1)).await.is_err() {} })
        })
        .collect();
    let changes: Vec<_> = ["b", "c", "b", "c", "a", "b"]
        .into_iter()
        .map(|code| {
            let shop = shop.clone();
            tokio::spawn(async move { act(&shop.db, shop.account.id, &now(code), make::start() + TimeDelta::hours(1)).await })
        })
        .collect();
    let mut done = 0;
    for change in changes {
        match change.await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert!(matches!(error, ChangeError::Same), "{error}"),
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    assert!(done >= 1);
    let all = periods(&shop).await;
    assert_eq!(all.len(), done + 1, "one period is cut by each change");
    close::close_due(&shop.db, shop.account.id, at("2026-12-20T12:00:00Z")).await.unwrap();
    for period in &all {
        shop.issue(period.id, at("2026-12-20T12:00:00Z")).await;
    }
    let lines = invoice_line::Entity::find().all(&*shop.db).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.events).sum::<i64>(), 40);
    assert_eq!(
        lines.iter().filter(|line| line.kind == invoice_line::Kind::BaseFee).map(|line| line.exact_nanos.0).sum::<i64>() % 10_000_000,
        0
    );
    assert_balanced(&shop.db).await;
    assert_eq!(reconcile::differences(&shop.db, None).await.unwrap(), []);
}

async fn move_to(db: &DatabaseConnection, account: &account::Model, zone: &str) {
    let change = account::ActiveModel { id: Set(account.id), time_zone: Set(zone.into()), ..Default::default() };
    account::Entity::update(change).exec(db).await.expect("moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn calendar_months_follow_the_zone_of_the_account_over_summer_time() {
    let shop = three_plans().await;
    let calendar = plan::parse("month", &priced("month", "31").replace("base_fee", "billing = \"calendar\"\nbase_fee")).unwrap();
    plan::apply(&shop.db, vec![calendar], make::start()).await.unwrap();
    move_to(&shop.db, &shop.account, "Europe/Berlin").await;
    // Three of four weeks of February are left.
    act(&shop.db, shop.account.id, &now("month"), at("2027-02-07T23:00:00Z")).await.unwrap();
    close::close_due(&shop.db, shop.account.id, at("2027-05-01T00:00:00Z")).await.unwrap();
    let ends: Vec<Time> = periods(&shop).await.iter().rev().take(4).rev().map(|period| period.ends_at).collect();
    assert_eq!(ends, ["2027-02-28T23:00:00Z", "2027-03-31T22:00:00Z", "2027-04-30T22:00:00Z", "2027-05-31T22:00:00Z"].map(at));
    let fees = fees(&shop).await;
    assert_eq!(fees[fees.len() - 3..], [2325, 3100, 3100], "{fees:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_an_old_version_are_moved_when_their_period_ends() {
    let shop = three_plans().await;
    let dearer = plan::parse("a", &priced("a", "40")).unwrap();
    plan::apply(&shop.db, vec![dearer], make::start()).await.unwrap();
    assert_eq!(lensmeter::billing::subscription::migrate(&*shop.db, "a").await.unwrap(), Some(1));
    assert_eq!(lensmeter::billing::subscription::migrate(&*shop.db, "a").await.unwrap(), Some(0), "once");
    assert_eq!(lensmeter::billing::subscription::migrate(&*shop.db, "nobody").await.unwrap(), None);
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 30.00"));
    assert!(shop.end_period().await.starts_with("base_fee: 1 x Test plan, monthly fee = 40.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_the_clock_closes_every_month_in_order() {
    let shop = three_plans().await;
    act(&shop.db, shop.account.id, &Act::ChangeAtPeriodEnd("b".into()), make::start()).await.unwrap();
    let year = Advance { months: 12, ..Advance::default() };
    let (stripe, seller, dunning) = (Stripe::new("http://127.0.0.1:9", "sk_test_nobody"), plain(), Dunning::default());
    let means = Means { db: &shop.db, stripe: &stripe, seller: &seller, dunning: &dunning, public_url: super::URL };
    // Nobody answers at Stripe: the year ends all the same, and its invoices wait.
    let advanced = clock::advance(means, &Clock::manual(make::start()), shop.account.id, year).await.unwrap();
    assert_eq!((advanced.closed, advanced.now), (12, at("2027-11-20T12:00:00Z")));
    let all = periods(&shop).await;
    assert!(all.windows(2).all(|pair| pair[0].ends_at == pair[1].starts_at));
    let fees = fees(&shop).await;
    assert_eq!((fees[0], fees[1..].iter().sum::<i64>()), (3000, 11 * 9000));
}
