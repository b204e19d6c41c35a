//! Customers who ask their bank for the money back.

use entity::account::{self, Collection};
use entity::dispute::{self, State};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{audit_log, payment};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::{dispute as disputes, ledger, reconcile, top_up};
use lensmeter::metering::limits;
use sea_orm::{DatabaseConnection, EntityTrait as _, PaginatorTrait as _, TransactionTrait as _};

use super::collecting::{Till, invoiced};
use super::{assert_balanced, balance, reread, use_images};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

/// An account that topped up by twenty dollars and whose bank was asked for them back.
async fn disputed(db: &DatabaseConnection, till: &Till) -> (account::Model, String) {
    let account = make::account(db).await;
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(2_000), links, make::start()).await.unwrap();
    till.pay(&page, "4242424242424242").await;
    till.news(db, make::start()).await;
    let intent = top_up::list(db, account.id).await.unwrap().remove(0).stripe_payment_intent_id.unwrap();
    (account, intent)
}

async fn ask_back(till: &Till, intent: &str) -> String {
    till.post(&format!("/sandbox/disputes?payment_intent={intent}"), &[]).await;
    let list = till.get(&format!("/v1/disputes?payment_intent={intent}")).await;
    list["data"][0]["id"].as_str().expect("a dispute").to_owned()
}

async fn row(db: &DatabaseConnection, id: &str) -> dispute::Model {
    dispute::Entity::find_by_id(id.to_owned()).one(db).await.unwrap().expect("a dispute")
}

async fn consistent(db: &DatabaseConnection) {
    assert_balanced(db).await;
    assert_eq!(reconcile::differences(db, None).await.unwrap(), []);
}

#[tokio::test]
async fn disputed_credit_cannot_be_spent_and_comes_free_when_it_is_won() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, intent) = disputed(&db, &till).await;
    let before = balance(&db, &account).await;
    let id = ask_back(&till, &intent).await;
    for _ in 0..2 {
        till.news(&db, make::start()).await;
    }
    let frozen = balance(&db, &account).await;
    assert_eq!((row(&db, &id).await.state, frozen.frozen(), frozen.remaining()), (State::Open, Nanos(20 * DOLLAR), before.remaining()));
    // What is left beside it is a dollar of sign-up credit.
    let spend = format!("UPDATE balance SET debits = debits + {} WHERE account_id = '{}'", DOLLAR + 1, account.id.0);
    assert!(sea_orm::ConnectionTrait::execute_unprepared(&*db, &spend).await.is_err(), "the row's own CHECK refuses it");
    let settings = Settings { enabled: true, threshold: Nanos(1_000 * DOLLAR), amount: Minor(1_000), daily_cap: Minor(5_000) };
    auto_top_up::set(&db, &account, settings, make::start()).await.unwrap();
    assert_eq!(auto_top_up::run(&db, make::start()).await.unwrap(), 0, "nobody who takes money back is charged by itself");

    till.post(&format!("/sandbox/disputes/{id}/won"), &[]).await;
    for _ in 0..2 {
        till.news(&db, make::start()).await;
    }
    // News of the beginning come once more, after the end.
    disputes::sync(&db, &till.stripe, &id, make::start()).await.expect("applied");
    let after = balance(&db, &account).await;
    assert_eq!((row(&db, &id).await.state, after.remaining(), after.frozen()), (State::Won, before.remaining(), Nanos(0)));
    consistent(&db).await;
}

#[tokio::test]
async fn lost_credit_is_taken_and_what_was_spent_of_it_is_owed() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, intent) = disputed(&db, &till).await;
    // 21 dollars were there, of which so much is used.
    use_images(&db, &account, 2_000, make::start()).await;
    let left = balance(&db, &account).await.remaining().0;
    assert!(left < 20 * DOLLAR, "{left}");
    let id = ask_back(&till, &intent).await;
    till.news(&db, make::start()).await;
    assert_eq!(balance(&db, &account).await.frozen(), Nanos(left), "no more than there is");
    till.post(&format!("/sandbox/disputes/{id}/lost"), &[]).await;
    for _ in 0..2 {
        till.news(&db, make::start()).await;
    }
    let after = balance(&db, &account).await;
    assert_eq!((row(&db, &id).await.state, after.remaining(), after.frozen()), (State::Lost, Nanos(0), Nanos(0)));
    assert_eq!(ledger::balance_of(&*db, None, Code::Cash).await.unwrap(), Nanos(0), "the money is gone");
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(20 * DOLLAR - left));
    assert_eq!(audit_log::Entity::of(account.id).count(&*db).await.unwrap(), 2, "an operator reads of both");
    let txn = db.begin().await.unwrap();
    assert_eq!(limits::lock_credit_in(&txn, account.id).await.unwrap(), Nanos(0));
    txn.commit().await.unwrap();
    assert_balanced(&db).await;
}

#[tokio::test]
async fn lost_credit_that_nobody_used_goes_and_the_rest_stays() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, intent) = disputed(&db, &till).await;
    let id = ask_back(&till, &intent).await;
    // All at once: the end is the first that is heard of it.
    till.post(&format!("/sandbox/disputes/{id}/lost"), &[]).await;
    till.news(&db, make::start()).await;
    let after = balance(&db, &account).await;
    assert_eq!((row(&db, &id).await.state, after.remaining(), after.frozen()), (State::Lost, Nanos(DOLLAR), Nanos(0)));
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(0));
    consistent(&db).await;
}

#[tokio::test]
async fn an_invoice_whose_payment_is_lost_is_unpaid_again_and_stays_so() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    till.news(&db, now).await;
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
    let paid = payment::Entity::find().one(&*db).await.unwrap().unwrap();
    let id = ask_back(&till, &paid.stripe_payment_reference).await;
    till.news(&db, now).await;
    assert_eq!((row(&db, &id).await.invoice_id, row(&db, &id).await.frozen_nanos), (Some(invoice.id), Nanos(0)));
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid, "nothing is decided");
    till.post(&format!("/sandbox/disputes/{id}/lost"), &[]).await;
    for _ in 0..3 {
        // Stripe leaves its invoice paid: looking again must not settle ours.
        till.news(&db, now).await;
        lensmeter::billing::payment::sync(&db, &till.stripe, super::URL, invoice.id, now).await.expect("applied");
    }
    let after = reread(&db, &invoice).await;
    assert_eq!((after.payment_state, after.due(), after.collection), (PaymentState::Unpaid, Minor(500), Collection::Send));
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(5 * DOLLAR));
    assert_eq!(payment::Entity::find().count(&*db).await.unwrap(), 1);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_dispute_that_is_none_of_ours_is_left_alone() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let other = till.post("/v1/customers", &[("email", "else@example.com")]).await;
    let method = till.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", other["id"].as_str().unwrap())]).await;
    let form = [
        ("amount", "900"),
        ("currency", "usd"),
        ("customer", other["id"].as_str().unwrap()),
        ("payment_method", method["id"].as_str().unwrap()),
        ("confirm", "true"),
        ("off_session", "true"),
    ];
    let intent = till.post("/v1/payment_intents", &form).await;
    ask_back(&till, intent["id"].as_str().unwrap()).await;
    till.news(&db, make::start()).await;
    assert_eq!(dispute::Entity::find().count(&*db).await.unwrap(), 0);
    assert_eq!(lensmeter::platform::queue::parked(&*db).await.unwrap(), []);
}
