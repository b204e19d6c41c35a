//! The main flows in one form for two places: against the sandbox in every run, and against Stripe itself, in test mode, with
//! `STRIPE_SECRET_KEY=sk_test_…` in the environment.

use chrono::TimeDelta;
use entity::credit_note::{RefundState, Settlement};
use entity::invoice::{self, PaymentState};
use entity::money::{Minor, Nanos};
use entity::{Time, account, dunning};
use lensmeter::billing::auto_top_up::{self, Settings};
use lensmeter::billing::invoice::act::{Why, credit_note as notes};
use lensmeter::billing::provider::{Provider, card as cards, customer};
use lensmeter::billing::{card, dunning as schedule, payment, top_up};
use lensmeter::platform::clock::Clock;
use sea_orm::EntityTrait as _;

use super::collecting::Till;
use super::{URL, assert_balanced, end_period, reread, use_images};
use crate::support::db::{self, TestDb};
use crate::support::make;

const STRIPE: &str = "https://api.stripe.com";
const WHY: Why<'_> = Why { actor: "operator", reason: "a test against Stripe" };
const EMAIL: &str = "lensmeter-test@example.com";

/// A place to pay at: the sandbox, or with a key Stripe.
struct Place {
    till: Till,
    key: Option<String>,
}

impl Place {
    /// The sandbox, and Stripe where a test key is given. A key that moves money is no test key.
    async fn all() -> Vec<Self> {
        let mut all = vec![Self { till: Till::open().await, key: None }];
        let key = std::env::var("STRIPE_SECRET_KEY").unwrap_or_default();
        if key.contains("_live_") || !key.contains("_test_") || key == "sk_test_nobody" {
            eprintln!("Stripe itself is skipped: set STRIPE_SECRET_KEY=sk_test_… to run against its test mode");
        } else {
            let mut till = Till::open().await;
            till.stripe = Provider::new(STRIPE, key.as_str());
            all.push(Self { till, key: Some(key) });
        }
        all
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> serde_json::Value {
        let Some(key) = &self.key else { return self.till.post(path, form).await };
        let request = reqwest::Client::new().post(format!("{STRIPE}{path}")).bearer_auth(key).form(form);
        let request = request.header("stripe-version", lensmeter::sandbox::API_VERSION);
        request.send().await.expect("Stripe answers").json().await.expect("JSON")
    }

    /// Makes one of Stripe's test cards the one that is charged.
    async fn charge_to(&self, customer: &str, card: &str) {
        let answer = self.post(&format!("/v1/payment_methods/{card}/attach"), &[("customer", customer)]).await;
        let method = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        cards::make_default(&self.till.stripe, customer, method).await.expect("for invoices");
    }

    /// An account that bought ten dollars with a card.
    async fn customer(&self) -> (TestDb, account::Model) {
        let db = db::fresh().await;
        let account = make::account(&db).await;
        let wall = Clock::System.now();
        let id = customer::ensure(&db, &self.till.stripe, &account, EMAIL, wall).await.expect("a customer");
        self.charge_to(&id, "pm_card_visa").await;
        let settings = Settings { enabled: true, threshold: Nanos(10_000_000_000), amount: Minor(1_000), daily_cap: Minor(1_000) };
        auto_top_up::set(&db, &account, settings, make::start()).await.unwrap();
        assert_eq!(auto_top_up::run(&db, make::start()).await.unwrap(), 1);
        self.till.work(&db, wall).await;
        assert_eq!(top_up::list(&*db, account.id).await.unwrap()[0].state, entity::top_up::State::Paid);
        let account = account::Entity::find_by_id(account.id).one(&*db).await.unwrap().unwrap();
        (db, account)
    }

    /// The invoice of a month, of five dollars, after the first try to charge it to this card.
    async fn invoiced(&self, db: &TestDb, account: &account::Model, card: &str) -> (invoice::Model, Time) {
        self.charge_to(account.stripe_customer_id.as_deref().expect("a customer"), card).await;
        use_images(db, account, 5, make::start()).await;
        let (invoice, now) = end_period(db, account).await;
        self.till.work(db, now).await;
        payment::sync(db, &self.till.stripe, URL, invoice.id, now).await.expect("applied");
        (reread(db, &invoice).await, now)
    }
}

#[tokio::test]
async fn a_card_buys_credit_pays_an_invoice_and_gets_some_of_it_back() {
    for place in Place::all().await {
        let (db, account) = place.customer().await;
        let (invoice, now) = place.invoiced(&db, &account, "pm_card_mastercard").await;
        assert_eq!(invoice.payment_state, PaymentState::Paid);
        let stripe = &place.till.stripe;
        let note = notes::issue(&db, stripe, invoice.id, (Minor(100), Settlement::Refund), WHY, now).await.expect("issued");
        for _ in 0..2 {
            place.till.work(&db, now).await;
        }
        let note = entity::credit_note::Entity::find_by_id(note.id).one(&*db).await.unwrap().unwrap();
        assert_eq!((note.refund_state, note.stripe_credit_note_id.is_some()), (RefundState::Done, true));
        place.till.news(&db, now).await;
        assert_eq!(lensmeter::platform::queue::parked(&*db).await.unwrap(), []);
        assert_balanced(&db).await;
    }
}

#[tokio::test]
async fn a_declined_card_is_tried_again_and_a_new_one_pays() {
    for place in Place::all().await {
        let (db, account) = place.customer().await;
        let (invoice, now) = place.invoiced(&db, &account, "pm_card_chargeCustomerFail").await;
        assert_eq!((invoice.payment_state, invoice.action_needed_at), (PaymentState::Unpaid, None));
        assert_eq!(dunning::Entity::find_by_id(invoice.id).one(&*db).await.unwrap().map(|row| row.failures), Some(1));
        place.charge_to(account.stripe_customer_id.as_deref().expect("a customer"), "pm_card_visa").await;
        let next = now + TimeDelta::days(1) + TimeDelta::hours(1);
        schedule::due(&db, next).await.unwrap();
        place.till.work(&db, next).await;
        payment::sync(&db, &place.till.stripe, URL, invoice.id, next).await.expect("applied");
        assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
        assert_balanced(&db).await;
    }
}

#[tokio::test]
async fn a_bank_that_wants_its_owner_is_no_decline() {
    for place in Place::all().await {
        let (db, account) = place.customer().await;
        let (invoice, _) = place.invoiced(&db, &account, "pm_card_authenticationRequired").await;
        assert_eq!(invoice.payment_state, PaymentState::Unpaid);
        assert!(invoice.action_needed_at.is_some() && invoice.stripe_hosted_url.is_some());
        assert_eq!(dunning::Entity::find_by_id(invoice.id).one(&*db).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_pages_for_customers_open() {
    for place in Place::all().await {
        let (db, account) = place.customer().await;
        let (stripe, wall) = (&place.till.stripe, Clock::System.now());
        let back = (EMAIL, "https://lensmeter.test/app/billing");
        let links = ("https://lensmeter.test/ok", "https://lensmeter.test/no");
        let pages = [
            top_up::start(&db, stripe, &account, EMAIL, Minor(1_000), links, make::start()).await.expect("a checkout page"),
            card::add(&db, stripe, &account, back, wall).await.expect("a page for a card"),
            card::visit_portal(&db, stripe, &account, back, wall).await.expect("the portal: its configuration is saved once"),
        ];
        for page in pages {
            let answer = reqwest::get(&page).await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 200, "{page}");
        }
    }
}
