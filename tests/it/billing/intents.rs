//! What was asked of Stripe once is done once: after lost answers, stored failures, forgotten keys and changed data.

use chrono::TimeDelta;
use entity::money::{Minor, Nanos};
use entity::top_up::State;
use entity::{account, dunning};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::top_up;
use lensmeter::platform::clock::Clock;
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _};

use super::collecting::{Till, invoiced};
use super::{URL, assert_balanced, balance, reread};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

/// An account with a card and six dollars, that buys ten more when it may.
async fn customer(db: &DatabaseConnection, till: &Till) -> account::Model {
    let account = make::account(db).await;
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(500), links, make::start()).await.unwrap();
    till.pay(&page, "4242424242424242").await;
    till.news(db, make::start()).await;
    let settings = Settings { enabled: true, threshold: Nanos(10 * DOLLAR), amount: Minor(1_000), daily_cap: Minor(1_000) };
    auto_top_up::set(db, &account, settings, make::start()).await.unwrap();
    account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap()
}

/// Charges of ten dollars that Stripe made.
async fn charged(till: &Till) -> usize {
    let list = till.get("/v1/payment_intents?limit=100").await;
    list["data"].as_array().unwrap().iter().filter(|intent| intent["amount"] == 1_000 && intent["status"] == "succeeded").count()
}

/// Buys with this fault on the next `times` requests for a charge, and tries again after each of the pauses.
async fn bought_with(fault: &str, times: u32, pauses: &[i64], between: impl AsyncFnOnce(&DatabaseConnection, &Till, &account::Model)) {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = customer(&db, &till).await;
    till.fault(fault, times, "POST /v1/payment_intents").await;
    let mut now = make::start();
    assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 1);
    till.work(&db, now).await;
    let pending = top_up::list(&*db, account.id).await.unwrap().remove(0);
    assert_eq!(pending.state, State::Pending, "{fault}: the outcome is not known");
    between(&db, &till, &account).await;
    for hours in pauses {
        let pause = TimeDelta::hours(*hours);
        now += pause;
        till.later(pause).await;
        till.work(&db, now).await;
        assert_eq!(auto_top_up::run(&db, now).await.unwrap(), 0, "{fault}: one is under way, or the cap is reached");
    }
    assert_eq!((charged(&till).await, balance(&db, &account).await.remaining()), (1, Nanos(16 * DOLLAR)), "{fault} {pauses:?}");
    assert_balanced(&db).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    bought_with("drop_after", 3, &[1], async |_, _, _| {}).await;
    bought_with("drop_before", 3, &[1], async |_, _, _| {}).await;
    bought_with("html_502", 3, &[1], async |_, _, _| {}).await;
}

#[tokio::test]
async fn a_stored_failure_is_looked_behind() {
    // The next tries are answered by what was stored under the key: for a day, it would be.
    bought_with("500_after", 1, &[1, 1], async |_, _, _| {}).await;
}

#[tokio::test]
async fn past_the_life_of_the_key_it_looks_before_it_asks() {
    bought_with("drop_after", 3, &[22], async |_, _, _| {}).await;
    bought_with("drop_after", 3, &[30], async |_, _, _| {}).await;
    bought_with("drop_before", 3, &[30], async |_, _, _| {}).await;
}

#[tokio::test]
async fn what_changed_meanwhile_does_not_change_the_request() {
    bought_with("drop_after", 3, &[1], async |_, till, account| {
        till.replace_card(account.stripe_customer_id.as_deref().unwrap(), "pm_card_mastercard").await;
    })
    .await;
    bought_with("drop_after", 3, &[30], async |_, till, account| {
        till.replace_card(account.stripe_customer_id.as_deref().unwrap(), "pm_card_mastercard").await;
    })
    .await;
}

#[tokio::test]
async fn a_customer_is_made_once_whatever_it_is_called_by_then() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let links = ("https://a.test", "https://b.test");
    till.fault("drop_after", 3, "POST /v1/customers").await;
    let start = async |account: &account::Model| {
        top_up::start(&db, &till.stripe, account, "ada@example.com", Minor(500), links, make::start()).await
    };
    start(&account).await.expect_err("no answer");
    let renamed = account::ActiveModel { id: Set(account.id), name: Set("Ada & Daughters".into()), ..Default::default() };
    let account = account::Entity::update(renamed).exec(&*db).await.unwrap();
    start(&account).await.expect("a page");
    let list = till.get("/v1/customers").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_at_once_past_the_life_of_the_key_make_one_attempt() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = customer(&db, &till).await;
    till.fault("drop_before", 3, "POST /v1/payment_intents").await;
    auto_top_up::run(&db, make::start()).await.unwrap();
    till.work(&db, make::start()).await;
    let id = top_up::list(&*db, account.id).await.unwrap().remove(0).id;
    let now = make::start() + TimeDelta::hours(30);
    till.later(TimeDelta::hours(30)).await;
    let workers = (0..6).map(|_| {
        let (db, stripe) = ((*db).clone(), till.stripe.clone());
        tokio::spawn(async move { top_up::sync(&db, &stripe, URL, id, now).await.is_ok() })
    });
    let mut done = 0;
    for worker in workers.collect::<Vec<_>>() {
        done += usize::from(worker.await.unwrap());
    }
    assert!(done > 0, "who finds the key in use asks again later");
    assert_eq!((charged(&till).await, balance(&db, &account).await.remaining()), (1, Nanos(16 * DOLLAR)));
}

#[tokio::test]
async fn no_step_of_an_invoice_is_done_twice() {
    // A stored failure, and an answer that is lost until the key is forgotten.
    let cases = ["POST /v1/invoices", "add_lines", "finalize", "/pay"].map(|step| (step, "500_after", 1, 1));
    for (step, fault, times, hours) in cases.into_iter().chain([("POST /v1/invoices", "drop_after", 3, 30), ("/pay", "drop_after", 3, 30)])
    {
        let db = db::fresh().await;
        let till = Till::open().await;
        let (_, invoice, mut now) = invoiced(&db, &till, "4242424242424242").await;
        till.fault(fault, times, step).await;
        for _ in 0..3 {
            till.work(&db, now).await;
            now += TimeDelta::hours(hours);
            till.later(TimeDelta::hours(hours)).await;
        }
        till.work(&db, now).await;
        lensmeter::billing::payment::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
        let paid = reread(&db, &invoice).await;
        assert_eq!(paid.payment_state, entity::invoice::PaymentState::Paid, "{step} {fault}");
        let list = till.get("/v1/invoices").await;
        let copies = list["data"].as_array().unwrap();
        assert_eq!((copies.len(), copies[0]["amount_paid"].as_i64()), (1, Some(500)), "{step} {fault}");
        let lines = till.get(&format!("/v1/invoices/{}/lines", paid.stripe_invoice_id.unwrap())).await;
        assert_eq!(lines["data"].as_array().unwrap().len(), 3, "{step} {fault}");
    }
}

#[tokio::test]
async fn a_refusal_that_was_not_heard_is_not_asked_for_again() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, ended) = invoiced(&db, &till, "4242424242424242").await;
    till.decline_from_now_on(&account, &db).await;
    // Stripe's clock and ours are one: when it was asked and when the bank said no are compared.
    let wall = Clock::System.now();
    let mut now = ended.max(wall);
    till.later(now - wall).await;
    // The answer is lost for as long as the key lives; then the look is, and then all goes well.
    for fault in [Some(("drop_after", "/pay")), Some(("drop_after", "GET /v1/payment_intents")), None] {
        if let Some((fault, step)) = fault {
            till.fault(fault, 3, step).await;
        }
        till.work(&db, now).await;
        now += TimeDelta::hours(30);
        till.later(TimeDelta::hours(30)).await;
    }
    till.work(&db, now).await;
    let failed = dunning::Entity::find_by_id(invoice.id).one(&*db).await.unwrap().expect("it failed");
    assert_eq!(failed.failures, 1);
    let charges = till.get("/v1/charges?limit=100").await;
    let refused = charges["data"].as_array().unwrap().iter().filter(|charge| charge["status"] == "failed").count();
    assert_eq!(refused, 1, "the bank was asked once");
}
