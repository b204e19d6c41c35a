//! Buying credit through the sandbox's checkout.

use entity::account::Model as Account;
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::top_up::State;
use entity::{account, mail, stripe_inbox};
use lensmeter::billing::provider::Provider as Stripe;
use lensmeter::billing::provider::event::Notice;
use lensmeter::billing::sync::{self, SyncStripeEvent};
use lensmeter::billing::{ledger, overview, sweep, top_up};
use lensmeter::platform::clock::Clock;
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::collecting::Till;
use super::{URL, assert_balanced, balance};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

async fn started(db: &DatabaseConnection, till: &Till, account: &Account, minor: i64) -> String {
    let urls = ("https://lensmeter.test/ok", "https://lensmeter.test/no");
    top_up::start(db, &till.stripe, account, "ada@example.com", Minor(minor), urls, make::start()).await.expect("a page")
}

/// An event as the inbox takes it, and its job.
async fn told(db: &DatabaseConnection, till: &Till, event: &str, kind: &str, object: &str) {
    let notice = Notice { event_id: event.into(), kind: kind.into(), object_id: object.into(), livemode: false, foreign: false };
    sync::receive_in(db, &notice, serde_json::json!({}), make::start()).await.expect("stored");
    let job = SyncStripeEvent { event_id: event.into() };
    sync::run(db, &till.stripe, URL, job, make::start()).await.expect("applied");
}

#[tokio::test]
async fn a_paid_checkout_credits_once_however_often_it_is_told() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let page = started(&db, &till, &account, 2_500).await;
    let session = top_up::list(&*db, account.id).await.unwrap()[0].stripe_session_id.clone().unwrap();

    told(&db, &till, "evt_early", "checkout.session.completed", &session).await;
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(DOLLAR), "coming back is not paying");
    till.pay(&page, "4242424242424242").await;
    for event in ["evt_1", "evt_1", "evt_2"] {
        told(&db, &till, event, "checkout.session.completed", &session).await;
    }
    told(&db, &till, "evt_3", "checkout.session.async_payment_succeeded", &session).await;

    assert_eq!(balance(&db, &account).await.remaining(), Nanos(26 * DOLLAR));
    assert_eq!(top_up::list(&*db, account.id).await.unwrap()[0].state, State::Paid);
    assert_eq!(ledger::balance_of(&*db, None, Code::Cash).await.unwrap(), Nanos(25 * DOLLAR));
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Credit).await.unwrap(), Nanos(-26 * DOLLAR));
    let letters = mail::Entity::find().all(&*db).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.letter.as_str()).collect::<Vec<_>>(), ["receipt"]);
    assert!(letters[0].html_body.contains("Ada &#38; Sons") && letters[0].text_body.contains("Ada & Sons"), "{letters:?}");
    assert!(stripe_inbox::Entity::find().all(&*db).await.unwrap().iter().all(|row| row.done_at.is_some()));
    let account = account::Entity::find_by_id(account.id).one(&*db).await.unwrap().unwrap();
    let card = overview::card(&till.stripe, &account).await.map(|card| card.to_string());
    assert_eq!(card.as_deref(), Some("visa •••• 4242"), "saved for invoices");
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_that_come_at_once_credit_once() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let page = started(&db, &till, &account, 1_000).await;
    till.pay(&page, "4242424242424242").await;
    let id = top_up::list(&*db, account.id).await.unwrap()[0].id;
    let news = (0..6).map(|_| {
        let (db, stripe) = ((*db).clone(), till.stripe.clone());
        tokio::spawn(async move { top_up::sync(&db, &stripe, URL, id, make::start()).await.expect("applied") })
    });
    for one in news.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(11 * DOLLAR));
    assert_eq!(mail::Entity::find().all(&*db).await.unwrap().len(), 1);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn the_sweep_finds_a_payment_that_no_webhook_told() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let page = started(&db, &till, &account, 1_000).await;
    till.pay(&page, "4242424242424242").await;
    let wall = Clock::System.now();
    sweep::run(&db, wall).await.unwrap();
    assert_eq!(till.work(&db, wall).await, 0, "too young to ask about");
    sweep::run(&db, wall + chrono::TimeDelta::minutes(4)).await.unwrap();
    assert!(till.work(&db, wall + chrono::TimeDelta::minutes(4)).await > 0);
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(11 * DOLLAR));
}

#[tokio::test]
async fn a_top_up_that_never_got_its_page_expires() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let nobody = Stripe::new("http://127.0.0.1:9", "sk_test_1");
    let urls = ("https://lensmeter.test/ok", "https://lensmeter.test/no");
    let failed = top_up::start(&db, &nobody, &account, "ada@example.com", Minor(1_000), urls, make::start()).await;
    assert!(matches!(failed, Err(top_up::TopUpError::Provider(_))), "{failed:?}");
    let wall = Clock::System.now();
    for (minutes, state) in [(5, State::Pending), (61, State::Expired)] {
        sweep::run(&db, wall + chrono::TimeDelta::minutes(minutes)).await.unwrap();
        assert_eq!(top_up::list(&*db, account.id).await.unwrap()[0].state, state);
    }
}

#[tokio::test]
async fn amounts_out_of_bounds_are_refused_before_stripe_hears_of_them() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    for minor in [i64::MIN, -1, 0, 499, 1_000_001, i64::MAX] {
        let refused = top_up::start(&db, &till.stripe, &account, "ada@example.com", Minor(minor), ("", ""), make::start()).await;
        assert!(matches!(refused, Err(top_up::TopUpError::Amount { .. })), "{minor}");
    }
    assert!(top_up::list(&*db, account.id).await.unwrap().is_empty());
}
