//! One set of numbers: events, rollups, counters and balances tell the same.

use std::sync::Arc;

use entity::account;
use entity::ids::{EventId, PriceId, RequestId};
use entity::money::{Nanos, Overflow};
use entity::{balance, usage_event};
use lensmeter::auth::key::Caller;
use lensmeter::billing::allowance::{Admission, Allowances};
use lensmeter::billing::close;
use lensmeter::metering::limits::{LimitError, Spender};
use lensmeter::metering::{Committed, Metering, Record, Rejected, Usage, idempotency, report};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryOrder as _, Statement, TransactionTrait as _};

use tokio::sync::OnceCell;

use crate::support::{db, make};

/// A caller with what it needs to meter calls.
pub struct Customer {
    pub account: account::Model,
    pub caller: Arc<Caller>,
    admission: OnceCell<Arc<Admission>>,
}

impl Customer {
    pub async fn new(db: &DatabaseConnection) -> Self {
        let account = make::account(db).await;
        let (caller, _) = make::key(db, &account).await;
        Self::of(account, caller)
    }

    pub fn of(account: account::Model, caller: Arc<Caller>) -> Self {
        Self { account, caller, admission: OnceCell::new() }
    }

    /// Reserves and commits one call, as inference does.
    pub async fn call(&self, db: &DatabaseConnection, metering: &Metering, record: Option<Record>) -> Result<Committed, Refusal> {
        let usage = self.usage(db, metering, record).await?;
        metering.writer.commit(usage).await.map_err(Refusal::Rejected)
    }

    /// A spender of this customer's key in its open period.
    pub async fn spender(&self, db: &DatabaseConnection, at: entity::Time) -> Spender {
        let admission = Allowances::default().price_of(db, &self.account, "detect", "elements", make::start()).await.expect("a price");
        Spender { account: self.account.id, key: self.caller.key.id, period: admission.period_id, at }
    }

    pub async fn usage(&self, db: &DatabaseConnection, metering: &Metering, record: Option<Record>) -> Result<Usage, Refusal> {
        self.usage_at(db, metering, record, make::start()).await
    }

    /// Spends so much of the sign-up credit by one call that `calls` are left. Returns how many it stands for.
    pub async fn spend_down_to(&self, db: &DatabaseConnection, metering: &Metering, calls: i64) -> i64 {
        let quantity = 1_000_000_000 / 1_500_000 - calls;
        let mut usage = self.usage(db, metering, None).await.expect("credit");
        usage.hold = metering.limits.reserve(usage.hold.spender(), Nanos(1_500_000 * quantity)).await.map_err(drop).expect("credit");
        usage.quantity = quantity;
        metering.writer.commit(usage).await.expect("committed");
        quantity
    }

    /// The same at an instant in the account's time.
    pub async fn usage_at(
        &self,
        db: &DatabaseConnection,
        metering: &Metering,
        record: Option<Record>,
        at: entity::Time,
    ) -> Result<Usage, Refusal> {
        let admission = self.admission.get_or_init(|| async {
            Allowances::default().price_of(db, &self.account, "detect", "elements", make::start()).await.expect("a price")
        });
        let admission = admission.await;
        let worst = admission.worst(1).expect("fits");
        let spender = Spender { account: self.account.id, key: self.caller.key.id, period: admission.period_id, at };
        let hold = metering.limits.reserve(&spender, worst).await.map_err(Refusal::Limit)?;
        let price = admission.price(100);
        Ok(Usage {
            event: EventId::new(),
            price: price.price_id,
            task: "detect",
            model: "elements".into(),
            model_version: "1".into(),
            request: RequestId::new(),
            quantity: 1,
            pixels: 100,
            compute_us: 10,
            charge: price.charge(),
            hold,
            record,
        })
    }
}

#[derive(Debug)]
pub enum Refusal {
    Limit(LimitError),
    Rejected(Rejected),
}

/// A record that stores `answer` under `key`.
pub fn record(key: &str, body: u8) -> Record {
    Record {
        key: key.into(),
        route: "/v1/detect",
        fingerprint: [body; 32],
        now: make::start(),
        keep: idempotency::LIFETIME,
        render: Box::new(|committed| committed.event.to_string().into_bytes()),
    }
}

pub async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect(sql).expect("one row");
    row.try_get_by_index(0).expect("a number")
}

/// Fails unless events, rollups, counters and balances agree, and nothing is held for nobody.
pub async fn assert_books(db: &DatabaseConnection) {
    let events = number(db, "SELECT coalesce(sum(amount_nanos), 0)::bigint FROM usage_event").await;
    assert_eq!(events, number(db, "SELECT coalesce(sum(amount_nanos), 0)::bigint FROM usage_rollup").await, "rollups");
    let debits = "SELECT coalesce(sum(debits), 0)::bigint FROM balance WHERE scope = 'credit'";
    assert_eq!(events, number(db, debits).await, "balances");
    let counted = number(db, "SELECT coalesce(sum(quantity), 0)::bigint FROM usage_counter").await;
    assert_eq!(counted, number(db, "SELECT coalesce(sum(quantity), 0)::bigint FROM usage_event").await, "counters");
    let held = number(db, "SELECT coalesce(sum(held), 0)::bigint FROM balance").await;
    assert_eq!(held, number(db, "SELECT coalesce(sum(amount - used), 0)::bigint FROM lease").await, "held");
    let wrong = "SELECT count(*) FROM (SELECT quantity_before, lag(quantity_before + quantity, 1, 0::bigint)
                     OVER (PARTITION BY period_id, price_id ORDER BY quantity_before, quantity) AS expected FROM usage_event) e WHERE quantity_before <> expected";
    assert_eq!(number(db, wrong).await, 0, "each event begins where the one before it ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_calls_at_once_add_up() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customers = [Arc::new(Customer::new(&db).await), Arc::new(Customer::new(&db).await)];
    let calls = (0..300).map(|index| {
        let (db, metering, customer) = (db.clone(), metering.clone(), customers[index % 2].clone());
        tokio::spawn(async move { customer.call(&db, &metering, None).await.expect("credit is enough") })
    });
    let mut amount = 0;
    for call in calls.collect::<Vec<_>>() {
        amount += call.await.expect("no panic").amount.0;
    }
    assert_eq!(amount, 300 * 1_500_000);
    assert_books(&db).await;
    metering.limits.give_back(std::time::Duration::ZERO).await;
    let balance = balance::Entity::credit_of(customers[0].account.id).one(&*db).await.unwrap().unwrap();
    assert_eq!((balance.held, balance.remaining()), (Nanos(0), Nanos(1_000_000_000 - 150 * 1_500_000)));
    let admission = Allowances::default().price_of(&db, &customers[0].account, "detect", "elements", make::start()).await.unwrap();
    assert_eq!(report::totals(&*db, customers[0].account.id, admission.period_id).await.unwrap().events, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_period_takes_no_more_and_nothing_is_charged() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customer = Customer::new(&db).await;
    let admitted = customer.usage(&db, &metering, None).await.unwrap();
    let later = make::start() + chrono::TimeDelta::days(32);
    close::close_due(&db, customer.account.id, later).await.unwrap();
    assert_eq!(metering.writer.commit(admitted).await, Err(Rejected::PeriodClosed));
    assert_books(&db).await;
    assert!(usage_event::Entity::find().one(&*db).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_call_fails_alone() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customer = Customer::new(&db).await;
    let mut poisoned = customer.usage(&db, &metering, None).await.unwrap();
    poisoned.charge = Arc::new(|_, _| Err(Overflow));
    // The price of no plan: the period and the lease are fine, so only this call's own rows break.
    let mut strange = customer.usage(&db, &metering, None).await.unwrap();
    strange.price = PriceId::new();
    // A text that PostgreSQL does not take.
    strange.model = "\0".into();
    let good = customer.usage(&db, &metering, None).await.unwrap();
    let (poisoned, strange, good) =
        tokio::join!(metering.writer.commit(poisoned), metering.writer.commit(strange), metering.writer.commit(good));
    assert_eq!((poisoned, strange), (Err(Rejected::Unavailable), Err(Rejected::Unavailable)));
    assert!(good.is_ok());
    let events = usage_event::Entity::find().order_by_asc(usage_event::Column::Id).all(&*db).await.unwrap();
    assert_eq!(events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_acknowledgement_was_lost_is_answered_and_charged_once() {
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customer = Customer::new(&db).await;
    let first = customer.usage(&db, &metering, None).await.unwrap();
    // The writer tries the same call again when it did not hear of its COMMIT.
    let mut again = customer.usage(&db, &metering, None).await.unwrap();
    again.event = first.event;
    let first = metering.writer.commit(first).await.unwrap();
    assert_eq!(metering.writer.commit(again).await, Ok(first));
    assert_books(&db).await;
    assert_eq!(usage_event::Entity::find().all(&*db).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_on_two_replicas_is_charged_once() {
    let db = db::fresh().await;
    let (one, two) = (Metering::start(&db), Metering::start(&db));
    let customer = Customer::new(&db).await;
    let (first, second) = tokio::join!(customer.call(&db, &one, Some(record("k", 1))), customer.call(&db, &two, Some(record("k", 1))));
    let committed = [first, second].into_iter().filter(Result::is_ok).count();
    assert_eq!(committed, 1, "the other is told that it was second");
    assert_books(&db).await;
    assert_eq!(usage_event::Entity::find().all(&*db).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_finds_its_answer_and_another_body_does_not() {
    use lensmeter::metering::idempotency::{Begun, KeyConflict, Keyed};
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    let customer = Customer::new(&db).await;
    let (id, now) = (customer.account.id, make::start());
    let request = Keyed { account: id, key: "k", route: "/v1/detect", fingerprint: &[1; 32], now };
    let other_body = Keyed { fingerprint: &[2; 32], ..request };
    let first = metering.idempotency.begin(request).await.unwrap();
    assert!(matches!(first, Begun::First(_)));
    assert!(matches!(metering.idempotency.begin(request).await, Err(KeyConflict::Running)));
    let committed = customer.call(&db, &metering, Some(record("k", 1))).await.unwrap();
    drop(first);
    let Begun::Replay(answer) = metering.idempotency.begin(request).await.unwrap() else { panic!("a replay") };
    assert_eq!(answer, committed.event.to_string().into_bytes());
    assert!(matches!(metering.idempotency.begin(other_body).await, Err(KeyConflict::Mismatch)));
    let tomorrow = Keyed { now: now + chrono::TimeDelta::hours(25), ..other_body };
    assert!(matches!(metering.idempotency.begin(tomorrow).await.unwrap(), Begun::First(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_were_edited_by_hand_are_noticed() {
    // The assertion of this file must be able to fail.
    let db = db::fresh().await;
    let metering = Metering::start(&db);
    Customer::new(&db).await.call(&db, &metering, None).await.unwrap();
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("UPDATE usage_rollup SET amount_nanos = amount_nanos + 1").await.unwrap();
    txn.commit().await.unwrap();
    let own = db.clone();
    assert!(tokio::spawn(async move { assert_books(&own).await }).await.is_err());
}
