//! Credit notes at Stripe, and refunds that come back.

use entity::credit_note::{self, RefundState, Settlement};
use entity::ids::CreditNoteId;
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{account, audit_log, payment};
use lensmeter::billing::invoice::act::{ActError, Why, credit_note as notes, refund};
use lensmeter::billing::ledger;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

use super::collecting::{Till, invoiced};
use super::{assert_balanced, balance, reread};
use crate::support::db;

const DOLLAR: i64 = 1_000_000_000;
const WHY: Why<'_> = Why { actor: "operator", reason: "the customer asked for it" };

async fn note(db: &DatabaseConnection, id: CreditNoteId) -> credit_note::Model {
    credit_note::Entity::find_by_id(id).one(db).await.unwrap().unwrap()
}

async fn owed(db: &DatabaseConnection, account: &account::Model) -> i64 {
    ledger::balance_of(db, Some(account.id), Code::Receivable).await.unwrap().0
}

async fn cash(db: &DatabaseConnection) -> i64 {
    ledger::balance_of(db, None, Code::Cash).await.unwrap().0
}

#[tokio::test]
async fn a_refund_that_comes_back_is_booked_back_seen_and_sent_again() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    till.news(&db, now).await;
    let before = cash(&db).await;
    let made = notes::issue(&db, &till.stripe, invoice.id, (Minor(200), Settlement::Refund), WHY, now).await.unwrap();
    till.work(&db, now).await;
    till.work(&db, now).await;
    let done = note(&db, made.id).await;
    assert_eq!((done.refund_state, cash(&db).await, owed(&db, &account).await), (RefundState::Done, before - 2 * DOLLAR, 0));
    let copy = till.get(&format!("/v1/credit_notes/{}", done.stripe_credit_note_id.unwrap())).await;
    let refund = done.stripe_refund_id.unwrap();
    assert_eq!((copy["amount"].as_i64(), copy["refunds"][0]["refund"].as_str()), (Some(200), Some(refund.as_str())));

    till.post(&format!("/sandbox/refunds/{refund}/fail"), &[]).await;
    for _ in 0..2 {
        till.news(&db, now).await;
        refund::sync(&db, &till.stripe, &refund, now).await.expect("applied");
    }
    assert_eq!((note(&db, made.id).await.refund_state, cash(&db).await), (RefundState::Failed, before));
    assert_eq!(owed(&db, &account).await, -2 * DOLLAR, "we owe the customer");
    assert_eq!(reread(&db, &invoice).await.refunded_minor, Minor(0));
    let seen = audit_log::Entity::of(account.id).filter(audit_log::Column::Action.eq("refund.failed"));
    assert_eq!(seen.count(&*db).await.unwrap(), 1);

    refund::again(&db, made.id, WHY, now).await.expect("it failed");
    assert!(matches!(refund::again(&db, made.id, WHY, now).await, Err(ActError::State { .. })), "once");
    till.work(&db, now).await;
    let again = note(&db, made.id).await;
    assert_eq!((again.refund_state, cash(&db).await, owed(&db, &account).await), (RefundState::Done, before - 2 * DOLLAR, 0));
    assert_ne!(again.stripe_refund_id, Some(refund), "another one");
    assert_eq!(payment::Entity::find().one(&*db).await.unwrap().unwrap().refunded_minor, Minor(200));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn what_is_taken_off_an_unpaid_invoice_is_not_charged() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    // Before it is at Stripe, and after.
    notes::issue(&db, &till.stripe, invoice.id, (Minor(100), Settlement::None), WHY, now).await.unwrap();
    till.decline_from_now_on(&account, &db).await;
    till.work(&db, now).await;
    till.work(&db, now).await;
    let second = notes::issue(&db, &till.stripe, invoice.id, (Minor(50), Settlement::None), WHY, now).await.unwrap();
    till.work(&db, now).await;
    let pushed = reread(&db, &invoice).await;
    let copy = till.get(&format!("/v1/invoices/{}", pushed.stripe_invoice_id.clone().unwrap())).await;
    assert_eq!((copy["amount_remaining"].as_i64(), pushed.due()), (Some(350), Minor(350)));
    assert!(note(&db, second.id).await.stripe_credit_note_id.is_some());

    till.pay(pushed.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    till.news(&db, now).await;
    let paid = reread(&db, &invoice).await;
    assert_eq!((paid.payment_state, paid.paid_minor, paid.due()), (PaymentState::Paid, Minor(350), Minor(0)));
    assert_eq!(owed(&db, &account).await, 0);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn who_pays_while_we_take_something_off_gets_it_as_credit() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.decline_from_now_on(&account, &db).await;
    till.work(&db, now).await;
    let open = reread(&db, &invoice).await;
    let before = balance(&db, &account).await.remaining().0;
    let made = notes::issue(&db, &till.stripe, invoice.id, (Minor(100), Settlement::None), WHY, now).await.unwrap();
    till.pay(open.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    for _ in 0..2 {
        till.news(&db, now).await;
    }
    let paid = reread(&db, &invoice).await;
    assert_eq!((paid.payment_state, paid.paid_minor), (PaymentState::Paid, Minor(500)));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(before + DOLLAR));
    assert_eq!(owed(&db, &account).await, 0);
    let copy = till.get(&format!("/v1/credit_notes/{}", note(&db, made.id).await.stripe_credit_note_id.unwrap())).await;
    assert_eq!(copy["out_of_band_amount"].as_i64(), Some(100));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn credit_for_what_was_paid_is_told_to_stripe_as_given_elsewhere() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    till.news(&db, now).await;
    let made = notes::issue(&db, &till.stripe, invoice.id, (Minor(300), Settlement::Credit), WHY, now).await.unwrap();
    till.work(&db, now).await;
    let copy = till.get(&format!("/v1/credit_notes/{}", note(&db, made.id).await.stripe_credit_note_id.unwrap())).await;
    assert_eq!((copy["amount"].as_i64(), copy["out_of_band_amount"].as_i64()), (Some(300), Some(300)));
    assert_balanced(&db).await;
}
