//! Charges that the customer's bank wants confirmed: told with the page where to do that, and no decline.

use entity::account::{self, Standing};
use entity::invoice::{Model as Invoice, PaymentState};
use entity::money::{Minor, Nanos};
use entity::top_up::State;
use entity::{auto_top_up as rows, dunning as unpaid, mail};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::dunning;
use lensmeter::billing::top_up;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

use super::collecting::{Till, invoiced, standing};
use super::{assert_balanced, balance, reread};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

async fn told(db: &DatabaseConnection, letter: &str) -> Vec<mail::Model> {
    mail::Entity::find().filter(mail::Column::Letter.eq(letter)).all(db).await.unwrap()
}

async fn customer_of(db: &DatabaseConnection, account: &account::Model) -> String {
    account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap().stripe_customer_id.expect("a customer")
}

/// An invoice whose charge waits for the customer.
async fn waiting(db: &DatabaseConnection, till: &Till) -> (account::Model, Invoice, entity::Time) {
    let (account, invoice, now) = invoiced(db, till, "4242424242424242").await;
    till.replace_card(&customer_of(db, &account).await, "pm_card_authenticationRequired").await;
    till.work(db, now).await;
    (account, reread(db, &invoice).await, now)
}

#[tokio::test]
async fn an_invoice_that_the_bank_wants_confirmed_is_no_decline() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = waiting(&db, &till).await;
    assert_eq!((invoice.payment_state, invoice.action_needed_at), (PaymentState::Unpaid, Some(now)));
    for _ in 0..2 {
        till.news(&db, now).await;
        dunning::due(&db, now).await.unwrap();
        till.work(&db, now).await;
    }
    let letters = told(&db, "payment_action").await;
    assert_eq!((letters.len(), told(&db, "payment_failed").await.len()), (1, 0), "told once, and not as a failure");
    assert!(letters[0].text_body.contains(invoice.stripe_hosted_url.as_deref().unwrap()), "{}", letters[0].text_body);
    assert_eq!((unpaid::Entity::find().count(&*db).await.unwrap(), standing(&db, &account).await), (0, Standing::Active));

    till.pay(invoice.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    till.news(&db, now).await;
    let paid = reread(&db, &invoice).await;
    assert_eq!((paid.payment_state, paid.action_needed_at), (PaymentState::Paid, None));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn who_never_confirms_is_dunned_after_three_days() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = waiting(&db, &till).await;
    dunning::due(&db, now + chrono::TimeDelta::hours(71)).await.unwrap();
    assert_eq!(unpaid::Entity::find().count(&*db).await.unwrap(), 0);
    let later = now + chrono::TimeDelta::hours(73);
    dunning::due(&db, later).await.unwrap();
    till.work(&db, later).await;
    assert_eq!((told(&db, "payment_failed").await.len(), standing(&db, &account).await), (1, Standing::PastDue));
    // The next charge of the schedule waits for the bank again: one more failure, not another wait.
    let retry = later + chrono::TimeDelta::hours(25);
    dunning::due(&db, retry).await.unwrap();
    till.work(&db, retry).await;
    till.work(&db, retry).await;
    let row = unpaid::Entity::find_by_id(invoice.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((row.failures, told(&db, "payment_action").await.len()), (2, 1));
}

#[tokio::test]
async fn an_automatic_top_up_that_the_bank_wants_confirmed_becomes_a_page() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(&db, &till.stripe, &account, "ada@example.com", Minor(500), links, make::start()).await.unwrap();
    till.pay(&page, "4242424242424242").await;
    till.news(&db, make::start()).await;
    till.replace_card(&customer_of(&db, &account).await, "pm_card_authenticationRequired").await;
    let settings = Settings { enabled: true, threshold: Nanos(10 * DOLLAR), amount: Minor(1_000), daily_cap: Minor(5_000) };
    auto_top_up::set(&db, &account, settings, make::start()).await.unwrap();

    assert_eq!(auto_top_up::run(&db, make::start()).await.unwrap(), 1);
    for _ in 0..2 {
        till.work(&db, make::start()).await;
        till.news(&db, make::start()).await;
    }
    let bought = top_up::list(&*db, account.id).await.unwrap().remove(0);
    let page = bought.checkout_url.clone().expect("a page");
    let letters = told(&db, "top_up_action").await;
    assert_eq!((bought.state, letters.len()), (State::Pending, 1));
    assert!(letters[0].text_body.contains(&page), "{}", letters[0].text_body);
    let row = rows::Entity::of(account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((row.failures, row.enabled), (0, true), "no refusal");
    assert_eq!(auto_top_up::run(&db, make::start() + chrono::TimeDelta::hours(23)).await.unwrap(), 0, "the next is a day away");

    till.pay(&page, "4242424242424242").await;
    till.news(&db, make::start()).await;
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(16 * DOLLAR));
    assert_balanced(&db).await;
}
