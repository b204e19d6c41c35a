//! What comes on and off: coupons, gifts, items, what is carried, taxes.

use entity::account;
use entity::money::Minor;
use lensmeter::billing::coupon::Off;
use lensmeter::platform::config::{Seller, TaxRate};
use sea_orm::ActiveValue::Set;

use super::{NO_FEE, change, ends, gift, item, redeem, selling};
use crate::billing::seller;
use crate::billing::shop::{DETECT, Shop};

const UNIT: &str = "scheme = \"unit\"\nunit = \"0.10\"";

async fn with_fee(fee: &str) -> Shop {
    Shop::on(&selling("eur", &format!("base_fee = \"{fee}\""), UNIT)).await
}

fn taxing(country: &str, basis_points: u32, included: bool) -> Seller {
    let rate = TaxRate { country: country.into(), name: "VAT".into(), basis_points, included, reverse_charge: true };
    Seller { taxes: vec![rate], ..seller() }
}

fn living_in(country: &str, tax_id: Option<&str>) -> account::ActiveModel {
    account::ActiveModel { country: Set(Some(country.into())), tax_id: Set(tax_id.map(str::to_owned)), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_coupons() {
    let shop = with_fee("20").await;
    redeem(&shop, "THREE", Off::Amount(Minor(300), "eur".into())).await;
    redeem(&shop, "EIGHTH", Off::Percent(1_250)).await;
    ends("two_coupons", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_above_what_is_due() {
    let shop = with_fee("5").await;
    redeem(&shop, "NINE", Off::Amount(Minor(900), "eur".into())).await;
    shop.calls(3, DETECT).await;
    ends("a_coupon_above_what_is_due", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_before_paid_credit() {
    let shop = with_fee("5").await;
    gift(&shop, 250_000_000, None).await;
    shop.calls(4, DETECT).await;
    ends("a_gift_before_paid_credit", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_on_and_off() {
    let shop = with_fee("5").await;
    item(&shop, "Onboarding", 12_345).await;
    item(&shop, "Goodwill", -345).await;
    ends("items_on_and_off", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_is_carried_and_then_brought_forward() {
    let shop = Shop::on(&selling("eur", NO_FEE, UNIT)).await;
    item(&shop, "A sticker", 30).await;
    ends("too_little_to_collect", &shop, &seller()).await;
    item(&shop, "Another sticker", 25).await;
    ends("brought_forward", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_customers_favour() {
    let shop = with_fee("5").await;
    item(&shop, "Goodwill", -800).await;
    ends("in_the_customers_favour", &shop, &seller()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_on_top_of_what_is_not_a_gift() {
    let mut shop = with_fee("20").await;
    change(&mut shop, living_in("DE", None)).await;
    gift(&shop, 100_000_000, None).await;
    redeem(&shop, "TENTH", Off::Percent(1_000)).await;
    shop.calls(2, DETECT).await;
    ends("tax_on_top", &shop, &taxing("DE", 1_900, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_inside_the_price() {
    let mut shop = with_fee("119").await;
    change(&mut shop, living_in("DE", None)).await;
    ends("tax_inside", &shop, &taxing("DE", 1_900, true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reverse_charge() {
    let mut shop = with_fee("20").await;
    change(&mut shop, living_in("FR", Some("FR83404833048"))).await;
    ends("reverse_charge", &shop, &taxing("FR", 2_000, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_abroad_pays_the_tax_of_home() {
    let mut shop = with_fee("20").await;
    change(&mut shop, living_in("FR", None)).await;
    ends("a_consumer_abroad", &shop, &taxing("FR", 2_000, false)).await;
}
