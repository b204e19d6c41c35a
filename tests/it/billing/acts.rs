//! What an operator does to invoices, and what is refused.

use entity::account::{self, Standing};
use entity::credit_note::{RefundState, Settlement};
use entity::invoice::{DocumentState, Model as Invoice, PaymentState};
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{audit_log, credit_note, invoice_item, invoice_line};
use lensmeter::billing::coupon::{self, CouponError, NewCoupon, Off};
use lensmeter::billing::invoice::act::refund::{self, RefundCreditNote};
use lensmeter::billing::invoice::act::{ActError, Why, credit_note as notes, transfer, void, write_off};
use lensmeter::billing::invoice::item::{self, NewItem};
use lensmeter::billing::invoice::preview::preview;
use lensmeter::billing::invoice::{audit, export, line::Line, verify};
use lensmeter::billing::provider::{Status, invoice as remote};
use lensmeter::billing::{credit, ledger};
use lensmeter::platform::config::{Seller, TaxRate};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _};

use super::collecting::{Till, invoiced, standing};
use super::{assert_balanced, balance, end_period, open_period, reread, seller, use_images};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;
const WHY: Why<'_> = Why { actor: "operator", reason: "the customer asked for it" };

async fn receivable(db: &DatabaseConnection, account: &account::Model) -> i64 {
    ledger::balance_of(db, Some(account.id), Code::Receivable).await.unwrap().0
}

/// A paying customer without a card, whose invoice of five dollars is issued and not yet at Stripe.
async fn unpaid(db: &DatabaseConnection) -> (account::Model, Invoice, entity::Time) {
    let account = make::account(db).await;
    make::credit(db, &account, Nanos(20 * DOLLAR)).await;
    use_images(db, &account, 5, make::start()).await;
    let (invoice, now) = end_period(db, &account).await;
    (account, invoice, now)
}

async fn verified(db: &DatabaseConnection, account: &account::Model, invoice: &Invoice) {
    let export = export::export(db, &make::archive(), account.id, invoice.id).await.unwrap().unwrap();
    verify::verify(&export).expect("it adds up offline");
}

#[tokio::test]
async fn a_void_withdraws_everywhere_and_issues_the_period_anew() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, old, now) = unpaid(&db).await;
    till.work(&db, now).await;
    let old = reread(&db, &old).await;
    let burnt = credit::unburnt(&*db, account.id).await.unwrap();
    account::Entity::update(account::ActiveModel { id: Set(account.id), name: Set("Ada & Daughters".into()), ..Default::default() })
        .exec(&*db)
        .await
        .unwrap();
    let new = void::void(&db, &till.stripe, &seller(), old.id, WHY, now).await.unwrap();
    assert_eq!(reread(&db, &old).await.document_state, DocumentState::Void);
    assert_eq!((new.buyer_name.as_str(), new.total_minor, new.period_id), ("Ada & Daughters", old.total_minor, old.period_id));
    assert_ne!(new.number, old.number);
    assert_eq!(remote::find(&till.stripe, old.stripe_invoice_id.as_ref().unwrap()).await.unwrap().status, Status::Other);
    assert_eq!(credit::unburnt(&*db, account.id).await.unwrap(), burnt, "credit was taken once");
    assert_eq!(receivable(&db, &account).await, 5 * DOLLAR);
    verified(&db, &account, &new).await;
    let again = void::void(&db, &till.stripe, &seller(), old.id, WHY, now).await;
    assert!(matches!(again, Err(ActError::State { found: "void", .. })), "{again:?}");
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_refund_never_goes_above_what_was_paid() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    lensmeter::billing::payment::sync(&db, &till.stripe, super::URL, invoice.id, now).await.expect("paid");
    let refund = async |minor| notes::issue(&db, &till.stripe, invoice.id, (Minor(minor), Settlement::Refund), WHY, now).await;
    assert!(matches!(refund(501).await, Err(ActError::Amount { most: Minor(500), .. })));
    assert!(matches!(refund(0).await, Err(ActError::Conflict(_))));
    assert!(matches!(refund(i64::MIN).await, Err(ActError::Conflict(_))));
    assert_eq!(credit_note::Entity::find().count(&*db).await.unwrap(), 0, "nothing half applied");
    let first = refund(200).await.unwrap();
    assert!(first.number.ends_with("CN-000001"), "{}", first.number);
    assert!(matches!(refund(301).await, Err(ActError::Amount { most: Minor(300), .. })));
    let second = refund(300).await.unwrap();
    for note in [&first, &second, &second] {
        refund::run(&db, &till.stripe, RefundCreditNote { credit_note: note.id }, now).await.expect("sent");
    }
    let note = credit_note::Entity::find_by_id(first.id).one(&*db).await.unwrap().unwrap();
    assert!(note.refund_state == RefundState::Done && note.stripe_refund_id.is_some(), "{note:?}");
    let invoice = reread(&db, &invoice).await;
    assert_eq!((invoice.payment_state, invoice.refunded_minor, invoice.due()), (PaymentState::Refunded, Minor(500), Minor(0)));
    assert_eq!(receivable(&db, &account).await, 0);
    // The top-up of twenty dollars stays.
    assert_eq!(ledger::balance_of(&*db, None, Code::Cash).await.unwrap(), Nanos(20 * DOLLAR));
    assert!(db.execute_unprepared("UPDATE credit_note SET amount_minor = 1").await.is_err(), "frozen");
    assert_balanced(&db).await;
}

#[tokio::test]
async fn transfers_pay_in_parts_and_a_part_goes_back() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = unpaid(&db).await;
    let pay = async |minor, reference: &str| transfer::note(&db, &till.stripe, invoice.id, (Minor(minor), reference), WHY, now).await;
    assert!(matches!(pay(501, "a").await, Err(ActError::Amount { most: Minor(500), .. })));
    assert_eq!(pay(200, "a").await.unwrap().payment_state, PaymentState::Partial);
    assert!(matches!(pay(200, "a").await, Err(ActError::Conflict(_))), "one transfer is noted once");
    let note = async |minor, how| notes::issue(&db, &till.stripe, invoice.id, (Minor(minor), how), WHY, now).await;
    assert!(matches!(note(201, Settlement::Refund).await, Err(ActError::Amount { most: Minor(200), .. })));
    assert!(matches!(note(301, Settlement::None).await, Err(ActError::Amount { most: Minor(300), .. })));
    note(300, Settlement::None).await.unwrap();
    note(150, Settlement::Credit).await.unwrap();
    assert!(matches!(note(51, Settlement::Credit).await, Err(ActError::Amount { most: Minor(50), .. })));
    let invoice = reread(&db, &invoice).await;
    assert_eq!((invoice.payment_state, invoice.credited_minor, invoice.due()), (PaymentState::Paid, Minor(450), Minor(0)));
    assert_eq!(receivable(&db, &account).await, 0);
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(21 * DOLLAR - 5 * 1_500_000 + 1_500_000_000));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_write_off_ends_the_debt_and_the_dunning() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = unpaid(&db).await;
    till.work(&db, now).await;
    assert_eq!(standing(&db, &account).await, Standing::PastDue);
    write_off::write_off(&db, &till.stripe, invoice.id, WHY, now).await.unwrap();
    assert_eq!(standing(&db, &account).await, Standing::Active);
    assert_eq!((receivable(&db, &account).await, ledger::balance_of(&*db, None, Code::BadDebt).await.unwrap()), (0, Nanos(5 * DOLLAR)));
    let again = write_off::write_off(&db, &till.stripe, invoice.id, WHY, now).await;
    assert!(matches!(again, Err(ActError::State { found: "uncollectible", .. })), "{again:?}");
    assert!(matches!(write_off::write_off(&db, &till.stripe, invoice.id, Why { reason: " ", ..WHY }, now).await, Err(ActError::Reason)));
    assert_eq!(audit_log::Entity::of(account.id).count(&*db).await.unwrap(), 1);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn items_coupons_and_tax_stand_on_the_preview_as_on_the_invoice() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, Nanos(20 * DOLLAR)).await;
    let tax = TaxRate { country: "DE".into(), name: "VAT".into(), basis_points: 1_900, included: false, reverse_charge: true };
    let seller = Seller { taxes: vec![tax], ..seller() };
    let new = |code: &str, off| NewCoupon {
        code: code.into(),
        description: "Thanks".into(),
        off,
        duration: entity::coupon::Duration::Once,
        months: None,
    };
    for coupon in [new("TEN", Off::Percent(1_000)), new("ONE", Off::Amount(Minor(100), "usd".into())), new("MORE", Off::Percent(1))] {
        coupon::create_in(&*db, coupon, make::start()).await.unwrap();
    }
    coupon::redeem(&db, account.id, "ten", make::start()).await.unwrap();
    assert!(matches!(coupon::redeem(&db, account.id, "TEN", make::start()).await, Err(CouponError::Redeemed)));
    coupon::redeem(&db, account.id, "ONE", make::start()).await.unwrap();
    assert!(matches!(coupon::redeem(&db, account.id, "MORE", make::start()).await, Err(CouponError::Full)));
    assert!(matches!(coupon::redeem(&db, account.id, "NONE", make::start()).await, Err(CouponError::Unknown(_))));
    let onboarding = NewItem { description: "Onboarding", quantity: 2, unit: Minor(1_250) };
    item::add(&db, account.id, onboarding, WHY, make::start()).await.unwrap();
    use_images(&db, &account, 5, make::start()).await;
    let coming = preview(&db, &account, &seller).await.unwrap().unwrap();

    let period = open_period(&db, &account).await;
    let now = period.ends_at;
    lensmeter::billing::close::close_due(&db, account.id, now).await.unwrap();
    let job = lensmeter::billing::invoice::finalize::FinalizeInvoice { account: account.id, period: period.id };
    let invoice = lensmeter::billing::invoice::finalize::issue(&db, &seller, &job, now).await.unwrap();
    let lines: Vec<Line> = invoice_line::Entity::of(&invoice).all(&*db).await.unwrap().iter().map(Line::from).collect();
    assert_eq!(format!("{:?}", coming.lines), format!("{lines:?}"), "the same bytes");
    // 5.00 + 0.01 + 25.00; the credit takes the cent, ten per cent of 30.00 and a dollar come off, and 19 % of 26.00 on: a gift is no revenue.
    assert_eq!((invoice.subtotal_minor, invoice.discount_minor, invoice.credits_applied_minor), (Minor(3_001), Minor(400), Minor(1)));
    assert_eq!((invoice.tax_minor, invoice.total_minor, coming.total), (Minor(494), Minor(3_094), Minor(3_094)));
    assert_eq!(receivable(&db, &account).await, 30_940_000_000);
    verified(&db, &account, &invoice).await;
    assert_eq!(invoice_item::Entity::of(account.id).one(&*db).await.unwrap().unwrap().invoice_id, Some(invoice.id));
    use_images(&db, &account, 5, make::start()).await;
    let next = preview(&db, &account, &seller).await.unwrap().unwrap();
    assert!(next.discounts.is_empty() && next.lines.len() == 2, "both were for one invoice: {next:?}");
    assert_balanced(&db).await;
}

#[tokio::test]
async fn too_little_is_carried_on_until_it_can_be_collected() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let small = NewItem { description: "A sticker", quantity: 1, unit: Minor(30) };
    item::add(&db, account.id, small, WHY, make::start()).await.unwrap();
    let (first, now) = end_period(&db, &account).await;
    assert_eq!((first.total_minor, first.carried_out_minor, first.payment_state), (Minor(0), Minor(30), PaymentState::Paid));
    assert_eq!(receivable(&db, &account).await, 300_000_000);
    item::add(&db, account.id, small, WHY, now).await.unwrap();
    let (second, _) = end_period(&db, &account).await;
    assert_eq!((second.total_minor, second.carried_in_minor, second.carried_out_minor), (Minor(60), Minor(30), Minor(0)));
    verified(&db, &account, &second).await;
    let till = Till::open().await;
    let late = void::void(&db, &till.stripe, &seller(), first.id, WHY, now).await;
    assert!(matches!(late, Err(ActError::State { .. })), "{late:?}");
    assert_balanced(&db).await;
}

#[tokio::test]
async fn items_out_of_bounds_are_refused_with_their_field() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let add = async |description: &str, quantity, unit| {
        item::add(&db, account.id, NewItem { description, quantity, unit: Minor(unit) }, WHY, make::start()).await.unwrap_err().to_string()
    };
    for (quantity, unit) in [(0, 1), (-1, 1), (1, 0), (1, i64::MAX), (i64::MAX, 2), (1, i64::MIN), (2, 60_000_000)] {
        assert!(add("x", quantity, unit).await.starts_with("amount"), "{quantity} of {unit}");
    }
    assert!(add("", 1, 1).await.starts_with("description"));
    assert!(add(&"x".repeat(501), 1, 1).await.starts_with("description"));
    assert_eq!(invoice_item::Entity::find().count(&*db).await.unwrap(), 0);
}

#[tokio::test]
async fn the_self_audit_finds_an_event_that_was_changed() {
    let db = db::fresh().await;
    let (_, invoice, now) = unpaid(&db).await;
    assert_eq!(audit::run(&db, &make::archive(), 10, now).await.unwrap(), audit::Audited { same: 1, different: 0 });
    assert_eq!(audit::run(&db, &make::archive(), 10, now).await.unwrap(), audit::Audited { same: 0, different: 0 }, "once a day");
    db.execute_unprepared("UPDATE usage_event SET at = at + interval '1 microsecond' WHERE quantity_before = 3").await.unwrap();
    let later = now + chrono::TimeDelta::days(1);
    assert_eq!(audit::run(&db, &make::archive(), 10, later).await.unwrap(), audit::Audited { same: 0, different: 1 });
    let found = entity::invoice_audit::Entity::find_by_id(invoice.id).one(&*db).await.unwrap().unwrap();
    assert!(found.difference.unwrap().contains("digest"));
}
