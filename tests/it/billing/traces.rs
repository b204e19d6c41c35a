//! The exact requests to Stripe of each flow: a change of a call is a change of a snapshot, and seen in review.

use std::collections::{BTreeSet, HashMap};

use entity::account::{self, Collection};
use entity::credit_note::Settlement;
use entity::money::{Minor, Nanos};
use lensmeter::accounts::details::{self, Details};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::invoice::act::{Why, credit_note as notes, void};
use lensmeter::billing::watch::compare;
use lensmeter::billing::{card, dunning, payment, top_up};
use lensmeter::platform::clock::Clock;
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _};
use serde_json::Value;

use super::collecting::{Till, invoiced};
use super::{URL, end_period, reread, seller, use_images};
use crate::support::{db, make};

const LINKS: (&str, &str) = ("https://lensmeter.test/ok", "https://lensmeter.test/no");
const WHY: Why<'_> = Why { actor: "operator", reason: "the customer asked for it" };

/// What we asked of Stripe, with ids by the order in which they appear.
struct Trace<'a> {
    till: &'a Till,
    text: String,
    seen: usize,
    names: HashMap<String, String>,
    counts: HashMap<String, usize>,
}

impl<'a> Trace<'a> {
    fn of(till: &'a Till) -> Self {
        Self { till, text: String::new(), seen: 0, names: HashMap::new(), counts: HashMap::new() }
    }

    async fn asked(&self) -> Vec<Value> {
        self.till.get("/sandbox/requests").await["data"].as_array().expect("a list").clone()
    }

    /// Leaves out what was asked until now: what went before the flow, or what the test did itself.
    async fn skip(&mut self) {
        self.seen = self.asked().await.len();
    }

    /// Writes what was asked since, under what was done.
    async fn note(&mut self, done: &str) {
        let asked = self.asked().await;
        self.text.push_str(&format!("== {done}\n"));
        // What is new at Stripe is asked for all the time; it has a trace of its own.
        for request in asked[self.seen..].iter().filter(|request| request["path"] != "/v1/events") {
            self.write(request);
        }
        self.seen = asked.len();
    }

    /// Writes what news made us do, in order, and what we read for that: in which order news are heard is not ours to say.
    async fn note_news(&mut self, of: &str) {
        let asked = self.asked().await;
        self.text.push_str(&format!("== the news of {of}\n"));
        let mut read = BTreeSet::new();
        for request in asked[self.seen..].iter().filter(|request| request["path"] != "/v1/events") {
            if request["method"] == "GET" {
                let kinds: Vec<_> =
                    request["path"].as_str().expect("a path").split('/').map(|part| kind_of(part).unwrap_or(part)).collect();
                read.insert(format!("reads {}\n", kinds.join("/")));
            } else {
                self.write(request);
            }
        }
        self.text.extend(read);
        self.seen = asked.len();
    }

    fn write(&mut self, request: &Value) {
        let key = request["idempotency_key"].as_str().map_or_else(String::new, |key| format!("   key {}", self.masked(key)));
        let path = self.masked(request["path"].as_str().expect("a path"));
        self.text.push_str(&format!("{} {path} {}{key}\n", request["method"].as_str().expect("a method"), request["status"]));
        let mut params: Vec<(String, String)> = serde_json::from_value(request["params"].clone()).expect("pairs");
        // Metadata come from a map, in any order; all else is as it was sent.
        params.chunk_by_mut(|(one, _), (next, _)| one.contains("metadata[") && next.contains("metadata[")).for_each(<[_]>::sort);
        for (name, value) in params {
            let wall = ["expires_at", "created[gte]", "created[lt]"].contains(&name.as_str());
            let value = if wall { "a time".to_owned() } else { self.masked(&value) };
            self.text.push_str(&format!("    {name} = {value}\n"));
        }
    }

    /// `cus_A1b2…` as `cus_1`, ours and Stripe's; a UUID as `uuid_1`; the invoices of `LM-4H2GG2` as those of `LM-account_1`.
    fn masked(&mut self, text: &str) -> String {
        let mut masked = String::new();
        let mut word = String::new();
        for letter in text.chars().chain([' ']) {
            if letter.is_ascii_alphanumeric() || letter == '_' || (letter == '-' && !word.is_empty()) {
                word.push(letter);
                continue;
            }
            masked.push_str(&self.named(&word));
            word.clear();
            masked.push(letter);
        }
        masked.pop();
        masked
    }

    fn named(&mut self, word: &str) -> String {
        if uuid::Uuid::parse_str(word).is_ok() {
            return self.name_of("uuid", word);
        }
        if let Some((seller, (account, number))) = word.split_once('-').and_then(|(seller, rest)| Some((seller, rest.split_once('-')?)))
            && seller == "LM"
        {
            return format!("LM-{}-{number}", self.name_of("account", account));
        }
        kind_of(word).map(str::to_owned).map_or_else(|| word.to_owned(), |kind| self.name_of(&kind, word))
    }

    fn name_of(&mut self, prefix: &str, word: &str) -> String {
        if let Some(name) = self.names.get(word) {
            return name.clone();
        }
        let count = self.counts.entry(prefix.to_owned()).or_default();
        *count += 1;
        let name = format!("{prefix}_{count}");
        self.names.insert(word.to_owned(), name.clone());
        name
    }
}

/// `cus` of `cus_A1b2…`: 24 letters of Stripe's, 26 of ours.
fn kind_of(id: &str) -> Option<&str> {
    let (kind, rest) = id.rsplit_once('_')?;
    [24, 26].contains(&rest.len()).then_some(kind)
}

async fn again(db: &DatabaseConnection, account: &account::Model) -> account::Model {
    account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap()
}

/// An account that topped up by 20 dollars with a card that is saved.
async fn customer(db: &DatabaseConnection, till: &Till) -> account::Model {
    let account = make::account(db).await;
    let page = top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(2_000), LINKS, make::start()).await.expect("a page");
    till.pay(&page, "4242424242424242").await;
    till.news(db, make::start()).await;
    again(db, &account).await
}

#[tokio::test]
async fn saving_a_card() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let account = make::account(&db).await;
    let back = ("ada@example.com", "https://lensmeter.test/app/billing/cards");
    let page = card::add(&db, &till.stripe, &account, back, make::start()).await.expect("a page");
    trace.note("the customer asks for the page").await;
    till.pay(&page, "4242424242424242").await;
    till.news(&db, make::start()).await;
    trace.note_news("it").await;
    let account = again(&db, &account).await;
    let saved = card::saved(&till.stripe, &account).await.expect("a list").remove(0).card.id;
    trace.note("the page of cards").await;
    assert!(card::make_default(&till.stripe, &account, &saved).await.expect("done"));
    trace.note("it becomes the one for invoices").await;
    assert!(card::remove(&till.stripe, &account, &saved).await.expect("done"));
    trace.note("it is removed").await;
    card::visit_portal(&db, &till.stripe, &account, back, make::start()).await.expect("an address");
    trace.note("the customer goes to Stripe's portal").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn buying_credit() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let account = make::account(&db).await;
    let page = top_up::start(&db, &till.stripe, &account, "ada@example.com", Minor(2_000), LINKS, make::start()).await.expect("a page");
    trace.note("the customer wants 20 dollars of credit").await;
    till.pay(&page, "4242424242424242").await;
    till.news(&db, make::start()).await;
    trace.note_news("the payment").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn credit_that_buys_itself() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let account = customer(&db, &till).await;
    let settings = Settings { enabled: true, threshold: Nanos(1_000_000_000_000), amount: Minor(1_000), daily_cap: Minor(5_000) };
    auto_top_up::set(&db, &account, settings, make::start()).await.expect("within bounds");
    trace.skip().await;
    auto_top_up::run(&db, make::start()).await.expect("begun");
    till.work(&db, make::start()).await;
    trace.note("credit is low").await;
    till.news(&db, make::start()).await;
    trace.note_news("the charge").await;

    till.replace_card(account.stripe_customer_id.as_deref().expect("a customer"), "pm_card_authenticationRequired").await;
    trace.skip().await;
    let later = make::start() + chrono::TimeDelta::hours(2);
    auto_top_up::run(&db, later).await.expect("begun");
    till.work(&db, later).await;
    till.work(&db, later).await;
    trace.note("the next charge wants the customer's confirmation").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn an_invoice_that_the_card_pays() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let (_, _, now) = invoiced(&db, &till, "4242424242424242").await;
    trace.skip().await;
    till.work(&db, now).await;
    trace.note("the period is closed").await;
    till.news(&db, now).await;
    trace.note_news("the payment").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn an_invoice_that_the_card_declines() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.decline_from_now_on(&account, &db).await;
    trace.skip().await;
    till.work(&db, now).await;
    trace.note("the period is closed").await;
    till.news(&db, now).await;
    trace.note_news("the decline").await;
    let next = now + chrono::TimeDelta::hours(25);
    dunning::due(&db, next).await.expect("due");
    till.work(&db, next).await;
    trace.note("a day later").await;
    void::void(&db, &till.stripe, &seller(), invoice.id, WHY, next).await.expect("open");
    till.work(&db, next).await;
    trace.note("the operator takes it back").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn an_invoice_that_is_sent() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let account = customer(&db, &till).await;
    let change = account::ActiveModel { id: Set(account.id), collection: Set(Collection::Send), ..Default::default() };
    account::Entity::update(change).exec(&*db).await.expect("the database");
    use_images(&db, &account, 5, make::start()).await;
    let (_, now) = end_period(&db, &account).await;
    trace.skip().await;
    till.work(&db, now).await;
    till.work(&db, now).await;
    trace.note("the period is closed").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn money_back() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    till.news(&db, now).await;
    trace.skip().await;
    notes::issue(&db, &till.stripe, invoice.id, (Minor(200), Settlement::Refund), WHY, now).await.expect("paid");
    till.work(&db, now).await;
    till.work(&db, now).await;
    trace.note("two dollars go back to the card").await;
    till.news(&db, now).await;
    trace.note_news("it").await;
    notes::issue(&db, &till.stripe, invoice.id, (Minor(100), Settlement::Credit), WHY, now).await.expect("paid");
    till.work(&db, now).await;
    trace.note("one dollar becomes credit").await;

    let paid = entity::payment::Entity::find().one(&*db).await.unwrap().expect("a payment").stripe_payment_reference;
    till.post(&format!("/sandbox/disputes?payment_intent={paid}"), &[]).await;
    trace.skip().await;
    till.news(&db, now).await;
    trace.note_news("a dispute of the rest").await;
    assert!(reread(&db, &invoice).await.stripe_invoice_id.is_some());
    payment::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    trace.note("the invoice is looked at").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn telling_who_is_billed() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let account = customer(&db, &till).await;
    trace.skip().await;
    let mut typed = Details::from(&account);
    typed.name = "Ada & Daughters".into();
    (typed.city, typed.country, typed.tax_id) = ("Berlin".into(), "DE".into(), "DE123456789".into());
    details::store(&*db, account.id, typed.clone(), make::start()).await.expect("stored");
    till.work(&db, Clock::System.now()).await;
    trace.note("a name, an address and a tax id").await;
    (typed.country, typed.tax_id) = ("FR".into(), "FR12345678901".into());
    details::store(&*db, account.id, typed, make::start()).await.expect("stored");
    till.work(&db, Clock::System.now()).await;
    trace.note("another tax id").await;
    insta::assert_snapshot!(trace.text);
}

#[tokio::test]
async fn looking_after_what_webhooks_did_not_tell() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mut trace = Trace::of(&till);
    let (_, _, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    trace.skip().await;
    till.news(&db, now).await;
    let asked = trace.asked().await;
    for request in asked[trace.seen..].iter().filter(|request| request["path"] == "/v1/events") {
        trace.write(request);
    }
    trace.skip().await;
    compare::run(&db, &till.stripe, URL, Clock::System.now()).await.expect("compared");
    trace.note("the books are compared").await;
    insta::assert_snapshot!(trace.text);
}
