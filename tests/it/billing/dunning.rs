//! Invoices that are not paid: the schedule, the letters, suspension, and the way back; whatever comes twice or late.

use std::time::Duration;

use chrono::TimeDelta;
use entity::account::Standing;
use entity::invoice::{Model as Invoice, PaymentState};
use entity::{Time, account, dunning as dunning_row, mail};
use lensmeter::auth::key::Keys;
use lensmeter::billing::{dunning, payment as payments};
use sea_orm::{DatabaseConnection, EntityTrait as _, PaginatorTrait as _};

use super::collecting::{Till, invoiced, standing};
use super::{URL, reread};
use crate::support::{db, make};

/// An invoice whose card is declined from the first charge on.
async fn declined(db: &DatabaseConnection, till: &Till) -> (account::Model, Invoice, Time) {
    let (account, invoice, now) = invoiced(db, till, "4242424242424242").await;
    till.decline_from_now_on(&account, db).await;
    till.work(db, now).await;
    (account, invoice, now)
}

async fn letters(db: &DatabaseConnection, name: &str) -> Vec<mail::Model> {
    let mut all = mail::Entity::find().all(db).await.unwrap();
    all.retain(|letter| letter.letter == name);
    all
}

/// What the schedule does on a day, twice: two replicas, or a clock that was moved back and forth.
async fn on_day(db: &DatabaseConnection, till: &Till, first: Time, days: i64) -> Time {
    let then = first + TimeDelta::days(days) + TimeDelta::hours(1);
    for _ in 0..2 {
        dunning::due(db, then).await.unwrap();
        till.work(db, then).await;
    }
    then
}

#[tokio::test]
async fn the_card_is_charged_by_the_schedule_then_calls_are_refused_until_it_is_paid() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, first) = declined(&db, &till).await;
    assert_eq!((letters(&db, "payment_failed").await.len(), standing(&db, &account).await), (1, Standing::PastDue));
    for (days, told) in [(0, 1), (1, 2), (2, 2), (3, 3), (5, 4), (6, 4), (7, 5), (8, 5)] {
        on_day(&db, &till, first, days).await;
        assert_eq!(letters(&db, "payment_failed").await.len(), told, "day {days}");
        assert_eq!(standing(&db, &account).await, Standing::PastDue, "day {days}");
    }
    let told = letters(&db, "payment_failed").await;
    let next = (first + TimeDelta::days(1)).date_naive().to_string();
    assert!(told[0].text_body.contains(&format!("try again on {next}")), "{}", told[0].text_body);
    let end = (first + TimeDelta::days(10)).date_naive().to_string();
    assert!(told[4].text_body.contains("our last try") && told[4].text_body.contains(&end), "{}", told[4].text_body);

    for days in [10, 11, 200] {
        on_day(&db, &till, first, days).await;
        assert_eq!((letters(&db, "suspended").await.len(), standing(&db, &account).await), (1, Standing::Suspended), "day {days}");
    }
    assert_eq!(letters(&db, "payment_failed").await.len(), 5);

    let late = first + TimeDelta::days(201);
    till.pay(reread(&db, &invoice).await.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    for _ in 0..3 {
        payments::sync(&db, &till.stripe, URL, invoice.id, late).await.expect("applied");
        till.work(&db, late).await;
    }
    assert_eq!((reread(&db, &invoice).await.payment_state, standing(&db, &account).await), (PaymentState::Paid, Standing::Active));
    assert_eq!(letters(&db, "restored").await.len(), 1);
    assert_eq!(dunning_row::Entity::find().count(&*db).await.unwrap(), 0);
    on_day(&db, &till, late, 30).await;
    assert_eq!((letters(&db, "payment_failed").await.len(), letters(&db, "suspended").await.len()), (5, 1), "it is over");
}

#[tokio::test]
async fn a_payment_between_two_tries_ends_it() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, first) = declined(&db, &till).await;
    on_day(&db, &till, first, 1).await;
    till.pay(reread(&db, &invoice).await.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    // No webhook tells: the retry finds it paid.
    on_day(&db, &till, first, 3).await;
    assert_eq!((reread(&db, &invoice).await.payment_state, standing(&db, &account).await), (PaymentState::Paid, Standing::Active));
    assert_eq!((letters(&db, "payment_failed").await.len(), letters(&db, "restored").await.len()), (2, 0), "it was never suspended");
    // The news of an old failure, late.
    payments::sync(&db, &till.stripe, URL, invoice.id, first + TimeDelta::days(4)).await.unwrap();
    on_day(&db, &till, first, 30).await;
    assert_eq!(letters(&db, "payment_failed").await.len(), 2);
}

#[tokio::test]
async fn another_unpaid_invoice_keeps_the_account_suspended() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, first) = declined(&db, &till).await;
    let (second, _) = super::end_period(&db, &account).await;
    till.work(&db, first + TimeDelta::days(31)).await;
    for days in [31, 33, 35, 37, 39, 45, 60] {
        on_day(&db, &till, first, days).await;
    }
    assert_eq!(standing(&db, &account).await, Standing::Suspended);
    for (paid, expected) in [(&invoice, Standing::Suspended), (&second, Standing::Active)] {
        till.pay(reread(&db, paid).await.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
        payments::sync(&db, &till.stripe, URL, paid.id, first + TimeDelta::days(61)).await.expect("applied");
        assert_eq!(standing(&db, &account).await, expected);
    }
}

#[tokio::test]
async fn every_replica_hears_of_suspension_and_of_the_payment() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, first) = declined(&db, &till).await;
    let (_, text) = make::key(&db, &account).await;
    let keys = Keys::new(db.clone());
    keys.listen_in_background();
    let heard = async |expected: Standing| {
        for _ in 0..600 {
            let caller = keys.authenticate(&text, None, first).await.expect("the key opens");
            if caller.account.standing == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody told that the account is {}", expected.as_str());
    };
    heard(Standing::PastDue).await;
    for days in [1, 3, 5, 7, 10] {
        on_day(&db, &till, first, days).await;
    }
    heard(Standing::Suspended).await;
    till.pay(reread(&db, &invoice).await.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    payments::sync(&db, &till.stripe, URL, invoice.id, first + TimeDelta::days(11)).await.expect("applied");
    heard(Standing::Active).await;
}
