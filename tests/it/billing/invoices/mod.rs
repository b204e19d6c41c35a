//! Whole invoices, case by case: an account lives the case by the code that serves, and what is issued is compared with what
//! was looked at once: the export as JSON, and the paper as an independent reader reads it.

mod papers;
mod prices;
mod shapes;
mod times;

use chrono::TimeDelta;
use entity::credit_grant::Kind;
use entity::money::{Minor, Nanos};
use entity::{Time, account, credit_note, invoice, invoice_line};
use lensmeter::billing::coupon::{self, NewCoupon, Off};
use lensmeter::billing::credit::adjust::{self, Adjustment};
use lensmeter::billing::invoice::act::Why;
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::invoice::item::{self, NewItem};
use lensmeter::billing::invoice::{document, export, verify};
use lensmeter::billing::subscription::{Act, act};
use lensmeter::billing::{close, plan, reconcile};
use lensmeter::platform::config::Seller;
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use serde_json::Value;

use super::paper::Printed;
use super::shop::{Shop, plan_of};
use super::{assert_balanced, open_period};
use crate::support::make;

pub const WHY: Why<'_> = Why { actor: "operator", reason: "as agreed" };

/// A plan of one price for detections, with this head and these keys of the price.
pub fn selling(currency: &str, head: &str, price: &str) -> String {
    let price = format!("[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Detection\"\n{price}\n");
    plan_of("test", currency, head, &price)
}

pub const NO_FEE: &str = "base_fee = \"0\"";

pub fn at(text: &str) -> Time {
    text.parse().expect("an instant")
}

/// Changes the account's row, as a customer or an operator does.
pub async fn change(shop: &mut Shop, change: account::ActiveModel) {
    let change = account::ActiveModel { id: Set(shop.account.id), ..change };
    shop.account = account::Entity::update(change).exec(&*shop.db).await.expect("changed");
}

pub async fn gift(shop: &Shop, amount: i64, ends: Option<Time>) {
    let give = Adjustment::Give { amount: Nanos(amount), kind: Kind::Promotional, priority: None, expires_at: ends };
    adjust::adjust(&shop.db, shop.account.id, give, ("gift", WHY), make::start()).await.expect("given");
}

pub async fn redeem(shop: &Shop, code: &str, off: Off) {
    let (duration, description) = (entity::coupon::Duration::Once, format!("Coupon {code}"));
    coupon::create_in(&*shop.db, NewCoupon { code: code.into(), description, off, duration, months: None }, make::start())
        .await
        .expect("made");
    coupon::redeem(&shop.db, shop.account.id, code, make::start()).await.expect("redeemed");
}

pub async fn item(shop: &Shop, description: &str, unit: i64) {
    let new = NewItem { description, quantity: 1, unit: Minor(unit) };
    item::add(&shop.db, shop.account.id, new, WHY, make::start()).await.expect("added");
}

/// Another plan beside the first, and the act that leads there.
pub async fn apply(shop: &Shop, text: &str) {
    plan::apply(&shop.db, vec![plan::parse("other.toml", text).expect("a plan")], make::start()).await.expect("applied");
}

pub async fn acts(shop: &Shop, what: Act, when: Time) {
    act(&shop.db, shop.account.id, &what, when).await.expect("done");
}

/// Ends the open period and looks at its invoice under the name of the case.
pub async fn ends(name: &str, shop: &Shop, seller: &Seller) -> invoice::Model {
    let open = open_period(&shop.db, &shop.account).await;
    let now = open.ends_at + TimeDelta::hours(1);
    close::close_due(&shop.db, shop.account.id, now).await.expect("closed");
    issued(name, shop, seller, open.id, now).await
}

/// Issues the invoice of a closed period and looks at it.
pub async fn issued(name: &str, shop: &Shop, seller: &Seller, period: entity::ids::PeriodId, now: Time) -> invoice::Model {
    let job = FinalizeInvoice { account: shop.account.id, period };
    let invoice = finalize::issue(&shop.db, seller, &job, now).await.expect("issued");
    let lines = invoice_line::Entity::of(&invoice).all(&*shop.db).await.expect("lines");
    let exported = export::export(&shop.db, &make::archive(), shop.account.id, invoice.id).await.expect("the database").expect("an export");
    verify::verify(&exported).expect("it adds up");
    let shown = anonymous(&invoice);
    let blank = |line: invoice_line::Model| invoice_line::Model { events_digest: vec![0; 32], ..line };
    let pdf = document::render(None, &shown, &lines.into_iter().map(blank).collect::<Vec<_>>()).await.expect("a document");
    let paper = Printed::of(pdf, shown).text();
    let mut json = serde_json::to_value(&exported).expect("JSON");
    let events = json["events"].as_array().map_or(0, Vec::len);
    json["events"] = format!("{events} of them").into();
    let text = format!("{}\n\n{}", serde_json::to_string_pretty(&named(json)).expect("JSON"), paper);
    insta::assert_snapshot!(name, text);
    sound(shop).await;
    invoice
}

/// A credit note, looked at.
pub async fn noted(name: &str, note: &credit_note::Model, invoice: &invoice::Model) {
    let (note, invoice) = (credit_note::Model { number: numbered(&note.number), ..note.clone() }, anonymous(invoice));
    let pdf = document::render_credit_note(None, &note, &invoice).await.expect("a document");
    insta::assert_snapshot!(name, Printed::of(pdf, invoice).text());
}

async fn sound(shop: &Shop) {
    assert_balanced(&shop.db).await;
    shop.metering.limits.give_back(std::time::Duration::ZERO).await;
    assert_eq!(reconcile::differences(&shop.db, None).await.expect("the database"), []);
}

/// Ids and digests are others each time: only their kind is kept.
fn named(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(all) => all.into_iter().map(named).collect(),
        Value::Object(all) => all.into_iter().map(|(key, value)| (key, named(value))).collect(),
        other => other,
    }
}

/// The invoice without what is drawn for each account: how wide that is would decide where lines break.
fn anonymous(invoice: &invoice::Model) -> invoice::Model {
    let mut shown = invoice.clone();
    shown.number = shown.number.as_deref().map(numbered);
    shown.snapshot["buyer"]["email"] = "ada@example.com".into();
    shown
}

/// `LM-0A1B2C-000001`: the account's part is always the same.
fn numbered(number: &str) -> String {
    let rest = number.strip_prefix("LM-").and_then(|rest| rest.split_once('-')).map_or(number, |(_, rest)| rest);
    format!("LM-0A1B2C-{rest}")
}

fn plain(word: &str) -> String {
    let is_hex = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        return if word.bytes().all(|byte| byte == b'0') { "no digest".into() } else { "a digest".into() };
    }
    if let Some((prefix, rest)) = word.split_once("_").filter(|(_, rest)| rest.len() >= 26 && rest.is_ascii()) {
        let (id, after) = rest.split_at(26);
        if id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return format!("{prefix}_…{after}");
        }
    }
    if word.starts_with("LM-") { numbered(word) } else { word.to_owned() }
}
