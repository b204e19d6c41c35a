//! Invoices at Stripe, against the sandbox.

use entity::account::Standing;
use entity::invoice::{Model as Invoice, PaymentState};
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{Time, account, mail, payment, queue_job};
use lensmeter::billing::auto_top_up::offer::{self, OfferTopUp};
use lensmeter::billing::buyer::{self, SyncBuyer};
use lensmeter::billing::invoice::act::{refund, remote_note};
use lensmeter::billing::invoice::collect;
use lensmeter::billing::provider::{NewInvoice, NewLine, Provider, Status, invoice as remote};
use lensmeter::billing::sync::{self, SyncStripeEvent};
use lensmeter::billing::watch::poll;
use lensmeter::billing::{dunning, ledger, payment as payments, sweep, top_up};
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config::Dunning;
use lensmeter::platform::queue::{self, Job, Outcome};
use lensmeter::sandbox::{self, Sandbox};
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::{URL, assert_balanced, end_period, reread, use_images};
use crate::support::sandbox::Checked;
use crate::support::{db, make};

/// A sandbox that sends no webhooks by itself, our client for it, and a browser for its pages.
pub struct Till {
    pub stripe: Provider,
    sandbox: Sandbox,
    http: reqwest::Client,
    _checked: Checked,
}

impl Till {
    pub async fn open() -> Self {
        let checked = Checked::start("", None).await;
        let stripe = Provider::new(&checked.api, "sk_test_1");
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        Self { stripe, sandbox: checked.sandbox.clone(), http, _checked: checked }
    }

    /// Fills the card form of a hosted page.
    pub async fn pay(&self, page: &str, number: &str) {
        let form = [("card_number", number), ("exp", "12/40"), ("cvc", "123"), ("name", "Ada")];
        let answer = self.http.post(page).form(&form).send().await.expect("the page answers");
        assert_eq!(answer.status(), 303, "{page}");
    }

    /// Hears what happened at Stripe, and does what follows.
    pub async fn news(&self, db: &DatabaseConnection, now: Time) {
        // The sandbox lives by the wall clock, and so does what it tells.
        let wall = Clock::System.now();
        poll::run(db, &self.stripe, false, wall).await.expect("a list of events");
        self.work(db, now.max(wall)).await;
    }

    /// A call to the sandbox that we do not make ourselves.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> serde_json::Value {
        let request = self.http.post(format!("{}{path}", self.sandbox.stripe_url)).bearer_auth("sk_test_1").form(form);
        let answer = request.header("stripe-version", sandbox::API_VERSION).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success() || status.is_redirection(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Chooses a wallet on a payment page, and says what it does.
    pub async fn wallet(&self, page: &str, wallet: &str, outcome: &str) {
        let answer = self.http.post(format!("{page}/{wallet}")).send().await.expect("the page answers");
        let next = answer.headers().get("location").expect("a page of the wallet").to_str().expect("text").to_owned();
        let next = if next.starts_with('/') { format!("{}{next}", self.sandbox.stripe_url) } else { next };
        let answer = self.http.post(next).form(&[("outcome", outcome)]).send().await.expect("the wallet answers");
        assert_eq!(answer.status(), 303);
    }

    /// Spoils the next requests whose `METHOD /path` contains `matching`.
    pub async fn fault(&self, kind: &str, times: u32, matching: &str) {
        let fault = serde_json::json!({ "kind": kind, "times": times, "matching": matching });
        let answer = self.http.post(format!("{}/sandbox/faults", self.sandbox.stripe_url)).json(&fault).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Lets time pass at Stripe: it forgets keys after a day.
    pub async fn later(&self, pause: chrono::TimeDelta) {
        let by = serde_json::json!({ "advance_seconds": pause.num_seconds() });
        let answer = self.http.post(format!("{}/sandbox/clock", self.sandbox.stripe_url)).json(&by).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Goes on with a key that Stripe does not know; returns the right one.
    pub fn wrong_key(&mut self) -> Provider {
        std::mem::replace(&mut self.stripe, Provider::new(&self.sandbox.stripe_url, "wrong"))
    }

    /// Something of the sandbox, as Stripe's API shows it.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        let request = self.http.get(format!("{}{path}", self.sandbox.stripe_url)).bearer_auth("sk_test_1");
        let answer = request.header("stripe-version", sandbox::API_VERSION).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// Runs the billing jobs that are due; mails and invoices of other periods wait.
    pub async fn work(&self, db: &DatabaseConnection, now: Time) -> usize {
        let clock = Clock::manual(now);
        let ran = std::cell::Cell::new(0);
        let run = async |job: queue_job::Model| {
            ran.set(ran.get() + usize::from(job.kind.starts_with("billing.")));
            self.run(db, job, now).await
        };
        queue::work_off(db, &clock, run).await.expect("the queue");
        ran.get()
    }

    async fn run(&self, db: &DatabaseConnection, job: queue_job::Model, now: Time) -> Outcome {
        let payload = job.payload.clone();
        match job.kind.as_str() {
            collect::PushInvoice::KIND => collect::push(db, &self.stripe, URL, serde_json::from_value(payload).unwrap(), now).await,
            collect::CollectInvoice::KIND => collect::collect(db, &self.stripe, URL, serde_json::from_value(payload).unwrap(), now).await,
            payments::SyncInvoice::KIND => {
                let job: payments::SyncInvoice = serde_json::from_value(payload).unwrap();
                payments::sync(db, &self.stripe, URL, job.invoice, now).await
            }
            dunning::Dun::KIND => dunning::run(db, &Dunning::default(), URL, serde_json::from_value(payload).unwrap(), now).await,
            dunning::TellRestored::KIND => dunning::tell_restored(db, URL, serde_json::from_value(payload).unwrap(), now).await,
            remote_note::PushCreditNote::KIND => remote_note::push(db, &self.stripe, serde_json::from_value(payload).unwrap(), now).await,
            refund::RefundCreditNote::KIND => refund::run(db, &self.stripe, serde_json::from_value(payload).unwrap(), now).await,
            OfferTopUp::KIND => offer::run(db, &self.stripe, URL, serde_json::from_value(payload).unwrap(), now).await,
            SyncBuyer::KIND => buyer::run(db, &self.stripe, serde_json::from_value(payload).unwrap()).await,
            SyncStripeEvent::KIND => sync::run(db, &self.stripe, URL, serde_json::from_value(payload).unwrap(), now).await,
            top_up::SyncTopUp::KIND => {
                let job: top_up::SyncTopUp = serde_json::from_value(payload).unwrap();
                top_up::sync(db, &self.stripe, URL, job.top_up, now).await
            }
            _ => Ok(()),
        }
    }
}

/// A customer who topped up with a card, used five images and whose month is over.
pub async fn invoiced(db: &DatabaseConnection, till: &Till, card: &str) -> (account::Model, Invoice, Time) {
    let account = make::account(db).await;
    let page =
        top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(2_000), ("https://a.test", "https://b.test"), make::start())
            .await;
    till.pay(&page.expect("a page"), card).await;
    let id = top_up::list(db, account.id).await.unwrap()[0].id;
    top_up::sync(db, &till.stripe, URL, id, make::start()).await.expect("credited");
    use_images(db, &account, 5, make::start()).await;
    let (invoice, now) = end_period(db, &account).await;
    assert_eq!(invoice.total_minor, Minor(500));
    (account, invoice, now)
}

pub async fn standing(db: &DatabaseConnection, account: &account::Model) -> Standing {
    account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap().standing
}

async fn letters(db: &DatabaseConnection) -> Vec<String> {
    let mut names: Vec<_> = mail::Entity::find().all(db).await.unwrap().into_iter().map(|letter| letter.letter).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_invoice_is_pushed_charged_and_settled_by_the_news() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    let pushed = reread(&db, &invoice).await;
    assert_eq!(pushed.payment_state, PaymentState::Processing, "the webhook settles it, not the charge");
    let copy = remote::find(&till.stripe, pushed.stripe_invoice_id.as_deref().unwrap()).await.unwrap();
    // The fee, the usage line, and the credit that takes it off again.
    assert_eq!((copy.status, copy.lines, copy.total), (Status::Paid, 3, Minor(500)));

    for _ in 0..3 {
        payments::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    }
    let paid = reread(&db, &invoice).await;
    assert_eq!((paid.payment_state, paid.paid_at.is_some()), (PaymentState::Paid, true));
    assert_eq!(payment::Entity::find().all(&*db).await.unwrap().len(), 1);
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(0), "to the nano");
    assert_eq!(ledger::balance_of(&*db, None, Code::Cash).await.unwrap(), Nanos(25_000_000_000));
    assert_eq!(letters(&db).await, ["invoice", "receipt"]);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_declined_card_is_told_once_and_paying_by_hand_restores_the_account() {
    let db = db::fresh().await;
    let till = Till::open().await;
    // Attaches, and then declines: the top-up itself needs a card that pays.
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.decline_from_now_on(&account, &db).await;
    till.work(&db, now).await;
    for _ in 0..2 {
        payments::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    }
    let unpaid = reread(&db, &invoice).await;
    assert_eq!((unpaid.payment_state, standing(&db, &account).await), (PaymentState::Unpaid, Standing::PastDue));
    assert_eq!(letters(&db).await, ["payment_failed", "receipt"], "told once");
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(5_000_000_000));

    till.pay(unpaid.stripe_hosted_url.as_deref().unwrap(), "4242424242424242").await;
    payments::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    // The news of the failure comes again, late.
    payments::sync(&db, &till.stripe, URL, invoice.id, now).await.expect("applied");
    assert_eq!((reread(&db, &invoice).await.payment_state, standing(&db, &account).await), (PaymentState::Paid, Standing::Active));
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(0));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_crash_after_any_step_goes_on_and_charges_once() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    let push = || collect::push(&db, &till.stripe, URL, collect::PushInvoice { invoice: invoice.id }, now);
    let charge = || collect::collect(&db, &till.stripe, URL, collect::CollectInvoice { invoice: invoice.id, attempt: 1 }, now);
    push().await.expect("pushed");
    let id = reread(&db, &invoice).await.stripe_invoice_id.unwrap();
    // Our note of Stripe's id is lost with the crash: the same key finds the same invoice.
    let forgotten = format!("UPDATE invoice SET stripe_invoice_id = NULL WHERE id = '{}'", invoice.id.0);
    sea_orm::ConnectionTrait::execute_unprepared(&*db, &forgotten).await.unwrap();
    push().await.expect("pushed again");
    assert_eq!(reread(&db, &invoice).await.stripe_invoice_id, Some(id));
    charge().await.expect("charged");
    charge().await.expect("found paid, and settled");
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
    assert_eq!(ledger::balance_of(&*db, None, Code::Cash).await.unwrap(), Nanos(25_000_000_000));
}

#[tokio::test]
async fn totals_that_differ_delete_the_copy_and_park_the_job() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (account, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    // Someone adds a line to the draft before we do.
    let account = account::Entity::find_by_id(account.id).one(&*db).await.unwrap().unwrap();
    let customer = account.stripe_customer_id.as_deref().unwrap();
    let number = invoice.number.as_deref().unwrap();
    let new = NewInvoice { id: invoice.id, customer, currency: "usd", number, days_until_due: None };
    let copy = remote::create(&db, &till.stripe, new, now).await.unwrap();
    let line = NewLine { description: "x".into(), amount: Minor(777), period: (now, now), metadata: std::collections::HashMap::new() };
    remote::add_lines(&db, &till.stripe, invoice.id, &copy.id, vec![line], now).await.unwrap();
    till.work(&db, now).await;
    let parked = queue::parked(&*db).await.unwrap();
    let error = parked[0].last_error.as_deref().unwrap();
    assert!(error.contains("5.00") && error.contains("7.77"), "{error}");
    assert!(remote::find(&till.stripe, &copy.id).await.is_err(), "the draft is gone");
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Unpaid);
}

#[tokio::test]
async fn the_sweep_settles_an_invoice_that_no_webhook_told() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let (_, invoice, now) = invoiced(&db, &till, "4242424242424242").await;
    till.work(&db, now).await;
    let wall = Clock::System.now() + chrono::TimeDelta::minutes(5);
    sweep::run(&db, wall).await.unwrap();
    till.work(&db, wall).await;
    assert_eq!(reread(&db, &invoice).await.payment_state, PaymentState::Paid);
}

impl Till {
    /// Replaces the saved card by one that is declined when charged.
    pub async fn decline_from_now_on(&self, account: &account::Model, db: &DatabaseConnection) {
        let account = account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap();
        let customer = account.stripe_customer_id.expect("a customer");
        self.replace_card(&customer, "pm_card_chargeCustomerFail").await;
    }

    /// Saves one of Stripe's ready-made cards and makes it the one for invoices.
    pub async fn replace_card(&self, customer: &str, alias: &str) {
        let saved = self.post(&format!("/v1/payment_methods/{alias}/attach"), &[("customer", customer)]).await;
        let id = saved["id"].as_str().expect("its id");
        self.post(&format!("/v1/customers/{customer}"), &[("invoice_settings[default_payment_method]", id)]).await;
    }
}
