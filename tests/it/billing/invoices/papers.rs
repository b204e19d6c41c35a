//! Credit notes on paper, and documents in Chinese.

use entity::account::{self, Locale};
use entity::credit_note::Settlement;
use entity::money::Minor;
use lensmeter::billing::invoice::act::{credit_note, transfer};
use lensmeter::billing::stripe::Stripe;
use lensmeter::platform::config::{Seller, TaxRate};
use sea_orm::ActiveValue::Set;

use super::{WHY, change, ends, noted, selling};
use crate::billing::shop::{DETECT, Shop};
use crate::billing::{reread, seller};

const UNIT: &str = "scheme = \"unit\"\nunit = \"0.10\"";

/// Nobody answers there: what came by transfer needs no Stripe.
fn no_stripe() -> Stripe {
    Stripe::new("http://127.0.0.1:9", "sk_test_nobody")
}

fn taxing() -> Seller {
    let rate = TaxRate { country: "DE".into(), name: "VAT".into(), basis_points: 1_900, included: false, reverse_charge: true };
    Seller { taxes: vec![rate], ..seller() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_after_a_partial_payment() {
    let mut shop = Shop::on(&selling("eur", "base_fee = \"10\"", UNIT)).await;
    let home = account::ActiveModel { country: Set(Some("DE".into())), ..Default::default() };
    change(&mut shop, home).await;
    let invoice = ends("before_the_refund", &shop, &taxing()).await;
    let (stripe, now) = (no_stripe(), invoice.issued_at.expect("issued"));
    transfer::note(&shop.db, &stripe, invoice.id, (Minor(500), "bank-1"), WHY, now).await.expect("noted");
    let note = credit_note::issue(&shop.db, &stripe, invoice.id, (Minor(333), Settlement::Refund), WHY, now).await.expect("issued");
    noted("a_refund_after_a_partial_payment", &note, &invoice).await;
    // The tax of the parts is the tax of the whole.
    let rest = credit_note::issue(&shop.db, &stripe, invoice.id, (Minor(690), Settlement::None), WHY, now).await.expect("issued");
    noted("what_was_not_paid_is_not_due", &rest, &invoice).await;
    let last = credit_note::issue(&shop.db, &stripe, invoice.id, (Minor(167), Settlement::Credit), WHY, now).await.expect("issued");
    assert_eq!(note.tax_minor.0 + rest.tax_minor.0 + last.tax_minor.0, invoice.tax_minor.0);
    assert_eq!(reread(&shop.db, &invoice).await.due(), Minor(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_chinese_and_in_the_zone_of_the_account() {
    let mut shop = Shop::on(&selling("cny", "base_fee = \"10\"", UNIT)).await;
    let told = account::ActiveModel {
        name: Set("上海镜衡视觉科技有限公司".into()),
        locale: Set(Locale::Zh),
        country: Set(Some("CN".into())),
        time_zone: Set("Asia/Shanghai".into()),
        ..Default::default()
    };
    change(&mut shop, told).await;
    shop.calls(1, DETECT).await;
    let invoice = ends("in_chinese", &shop, &seller()).await;
    let (stripe, now) = (no_stripe(), invoice.issued_at.expect("issued"));
    let note = credit_note::issue(&shop.db, &stripe, invoice.id, (Minor(1_000), Settlement::None), WHY, now).await.expect("issued");
    noted("a_credit_note_in_chinese", &note, &invoice).await;
}
