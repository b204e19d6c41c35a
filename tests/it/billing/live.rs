//! The main flows against Stripe itself, in test mode: only with `STRIPE_SECRET_KEY=sk_test_…` in the environment.

use entity::account;
use entity::credit_note::{RefundState, Settlement};
use entity::invoice::PaymentState;
use entity::money::{Minor, Nanos};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::invoice::act::{Why, credit_note as notes};
use lensmeter::billing::provider::{Provider, card, customer};
use lensmeter::billing::{payment, top_up};
use lensmeter::platform::clock::Clock;
use sea_orm::EntityTrait as _;

use super::collecting::Till;
use super::{URL, assert_balanced, end_period, reread, use_images};
use crate::support::{db, make};

const STRIPE: &str = "https://api.stripe.com";
const WHY: Why<'_> = Why { actor: "operator", reason: "a test against Stripe" };

/// `None`, with a line that says so, where no test key is given. A key that moves money is no test key.
fn key() -> Option<String> {
    let key = std::env::var("STRIPE_SECRET_KEY").unwrap_or_default();
    if key.contains("_live_") || !key.contains("_test_") || key == "sk_test_nobody" {
        eprintln!("skipped: set STRIPE_SECRET_KEY=sk_test_… to run against Stripe's test mode");
        return None;
    }
    Some(key)
}

async fn attach(key: &str, customer: &str) -> String {
    let request = reqwest::Client::new().post(format!("{STRIPE}/v1/payment_methods/pm_card_visa/attach")).bearer_auth(key);
    let request = request.header("stripe-version", lensmeter::sandbox::API_VERSION).form(&[("customer", customer)]);
    let answer: serde_json::Value = request.send().await.expect("Stripe answers").json().await.expect("JSON");
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_card_buys_credit_pays_an_invoice_and_gets_some_of_it_back() {
    let Some(key) = key() else { return };
    let db = db::fresh().await;
    let mut till = Till::open().await;
    till.stripe = Provider::new(STRIPE, key.as_str());
    let account = make::account(&db).await;
    let wall = Clock::System.now();
    let id = customer::ensure(&db, &till.stripe, &account, "lensmeter-test@example.com", wall).await.expect("a customer");
    let method = attach(&key, &id).await;
    card::make_default(&till.stripe, &id, &method).await.expect("for invoices");
    let dollar = 1_000_000_000;
    let settings = Settings { enabled: true, threshold: Nanos(10 * dollar), amount: Minor(1_000), daily_cap: Minor(1_000) };
    auto_top_up::set(&db, &account, settings, make::start()).await.unwrap();
    assert_eq!(auto_top_up::run(&db, make::start()).await.unwrap(), 1);
    till.work(&db, wall).await;
    assert_eq!(top_up::list(&*db, account.id).await.unwrap()[0].state, entity::top_up::State::Paid);

    use_images(&db, &account, 5, make::start()).await;
    let (invoice, now) = end_period(&db, &account).await;
    till.work(&db, now).await;
    payment::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
    let note = notes::issue(&db, &till.stripe, invoice.id, (Minor(100), Settlement::Refund), WHY, now).await.expect("issued");
    for _ in 0..2 {
        till.work(&db, now).await;
    }
    let note = entity::credit_note::Entity::find_by_id(note.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((note.refund_state, note.stripe_credit_note_id.is_some()), (RefundState::Done, true));
    till.news(&db, now).await;
    assert_eq!(lensmeter::platform::queue::parked(&*db).await.unwrap(), []);
    assert!(account::Entity::find_by_id(account.id).one(&*db).await.unwrap().unwrap().stripe_customer_id.is_some());
    assert_balanced(&db).await;
}
