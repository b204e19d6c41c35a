//! Invoices of accounts that pay by hand or by transfer: sent, never charged, overdue in the end.

use chrono::TimeDelta;
use entity::account::{self, Collection, Standing};
use entity::invoice::PaymentState;
use entity::money::Minor;
use entity::{dunning as unpaid, mail};
use lensmeter::billing::invoice::act::Why;
use lensmeter::billing::invoice::item::{self, NewItem};
use lensmeter::billing::provider::capabilities;
use lensmeter::billing::{dunning, top_up};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _, PaginatorTrait as _};

use super::collecting::{Till, standing};
use super::{assert_balanced, end_period, reread, use_images};
use crate::support::{db, make};

async fn letters(db: &DatabaseConnection) -> Vec<String> {
    let mut names: Vec<_> = mail::Entity::find().all(db).await.unwrap().into_iter().map(|letter| letter.letter).collect();
    names.sort();
    names
}

/// An account with a card that is not to be charged, and its invoice.
async fn sent(db: &DatabaseConnection, till: &Till) -> (account::Model, entity::invoice::Model, entity::Time) {
    let account = make::account(db).await;
    let change = account::ActiveModel { id: Set(account.id), collection: Set(Collection::Send), ..Default::default() };
    let account = account::Entity::update(change).exec(db).await.unwrap();
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(2_000), links, make::start()).await.unwrap();
    till.pay(&page, "4242424242424242").await;
    till.news(db, make::start()).await;
    use_images(db, &account, 5, make::start()).await;
    let (invoice, now) = end_period(db, &account).await;
    for _ in 0..2 {
        till.work(db, now).await;
    }
    (account, reread(db, &invoice).await, now)
}

#[tokio::test]
async fn it_is_sent_with_a_term_and_paid_by_hand() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (_, invoice, now) = sent(&db, &till).await;
    assert_eq!((invoice.payment_state, invoice.due_at), (PaymentState::Unpaid, Some(now + TimeDelta::days(14))));
    let copy = till.get(&format!("/v1/invoices/{}", invoice.stripe_invoice_id.clone().unwrap())).await;
    assert_eq!((copy["collection_method"].as_str(), copy["attempted"].as_bool()), (Some("send_invoice"), Some(false)));
    assert_eq!(letters(&db).await, ["invoice_due", "receipt"]);
    till.pay(invoice.stripe_hosted_url.as_deref().unwrap(), "5555555555554444").await;
    till.news(&db, now).await;
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
    assert_eq!(letters(&db).await, ["invoice", "invoice_due", "receipt"]);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn once_overdue_it_is_asked_for_by_letter_alone_and_then_suspends() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = sent(&db, &till).await;
    dunning::due(&db, now + TimeDelta::days(13)).await.unwrap();
    assert_eq!(unpaid::Entity::find().count(&*db).await.unwrap(), 0, "it is not due yet");
    for day in 14..40 {
        let then = now + TimeDelta::days(day) + TimeDelta::hours(1);
        for _ in 0..2 {
            dunning::due(&db, then).await.unwrap();
            till.work(&db, then).await;
        }
    }
    let overdue = letters(&db).await.into_iter().filter(|name| name == "payment_overdue").count();
    assert_eq!((overdue, standing(&db, &account).await), (5, Standing::Suspended));
    let copy = till.get(&format!("/v1/invoices/{}", invoice.stripe_invoice_id.clone().unwrap())).await;
    assert_eq!(copy["attempted"].as_bool(), Some(false), "no card was charged");
    till.pay(invoice.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    till.news(&db, now + TimeDelta::days(41)).await;
    assert_eq!(standing(&db, &account).await, Standing::Active);
}

#[tokio::test]
async fn below_stripes_least_charge_the_amount_is_carried_and_no_balance_appears_there() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let thirty_cents = async |now| {
        let new = NewItem { description: "Support", quantity: 1, unit: Minor(30) };
        item::add(&db, account.id, new, Why { actor: "operator", reason: "agreed" }, now).await.expect("added");
    };
    thirty_cents(make::start()).await;
    let (first, now) = end_period(&db, &account).await;
    till.work(&db, now).await;
    let first = reread(&db, &first).await;
    assert_eq!((first.total_minor, first.carried_out_minor, first.stripe_invoice_id), (Minor(0), Minor(30), None), "nothing to collect");
    thirty_cents(now).await;
    let (second, now) = end_period(&db, &account).await;
    till.work(&db, now).await;
    let second = reread(&db, &second).await;
    let copy = till.get(&format!("/v1/invoices/{}", second.stripe_invoice_id.expect("pushed"))).await;
    assert_eq!((copy["total"].as_i64(), copy["starting_balance"].as_i64()), (Some(60), Some(0)));
    let customer = till.get(&format!("/v1/customers/{}", copy["customer"].as_str().unwrap())).await;
    assert_eq!(customer["balance"].as_i64(), Some(0));
    let least = ["usd", "gbp", "jpy", "hkd"].map(|currency| capabilities(currency).least_charge.0);
    assert_eq!(least, [50, 30, 50, 400]);
}
