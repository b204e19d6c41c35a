//! Months that leave the database: whoever reads sees no difference, and whatever goes wrong loses nothing.

mod command;
mod many;
mod meanwhile;
mod refused;
mod same;
mod spoilt;

use std::path::PathBuf;

use chrono::{DateTime, Months, TimeDelta};
use entity::Time;
use entity::ids::{EventId, RequestId};
use entity::usage_archive;
use lensmeter::billing::allowance::Allowances;
use lensmeter::billing::close;
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::reconcile;
use lensmeter::metering::archive::{self, Archive, ArchiveError, Month};
use lensmeter::metering::limits::Spender;
use lensmeter::metering::{Metering, Usage};
use lensmeter::platform::config::{Seller, Storage};
use lensmeter::platform::objects;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use uuid::Uuid;

use super::books::Customer;
use crate::support::db::{self, TestDb};
use crate::support::make;

/// Two years before tests begin.
fn begin() -> Time {
    "2024-01-01T00:00:00Z".parse().expect("a valid instant")
}

fn at(text: &str) -> Time {
    text.parse().expect("a valid instant")
}

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// Where the program that serves a database has its objects.
fn folder(db: &TestDb) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("objects").join(db.url.rsplit('/').next().expect("the address names a database"))
}

/// Two customers with calls in January, February and March 2024. January and February are closed and invoiced.
struct Past {
    db: TestDb,
    metering: Metering,
    archive: Archive,
    folder: PathBuf,
    customers: [Customer; 2],
}

impl Past {
    async fn new() -> Self {
        let db = db::fresh().await;
        let folder = folder(&db);
        let archive = Archive::over(objects::open(&Storage { folder: folder.clone(), ..Storage::default() }).expect("a folder"));
        for ahead in 0..4 {
            partition(&db, begin() + Months::new(ahead)).await;
        }
        let metering = Metering::start(&db);
        let mut customers = Vec::new();
        for _ in 0..2 {
            make::account(&db).await;
            let account = make::account_since(&db, "usd", begin()).await;
            let (caller, _) = make::key(&db, &account).await;
            customers.push(Customer::of(account, caller));
        }
        let Ok(customers) = <[Customer; 2]>::try_from(customers) else { panic!("there are two") };
        let past = Self { db, metering, archive, folder, customers };
        for (calls, days) in [(23, 1), (17, 32), (9, 61)] {
            for customer in &past.customers {
                for call in 0..calls {
                    let at = begin() + TimeDelta::days(days) + TimeDelta::hours(call * 25) + TimeDelta::milliseconds(call % 3);
                    past.call(customer, at, at).await;
                }
            }
        }
        past.metering.limits.give_back(std::time::Duration::ZERO).await;
        for customer in &past.customers {
            past.close(customer, at("2024-03-15T00:00:00Z")).await;
        }
        past.sound().await;
        past
    }

    /// One call by the writer, under an id as if it had been made then.
    async fn call(&self, customer: &Customer, at: Time, made: Time) -> EventId {
        let (db, account) = (&*self.db, &customer.account);
        let admission = Allowances::default().price_of(db, account, "detect", "elements", at).await.expect("a price");
        let spender = Spender { account: account.id, key: customer.caller.key.id, period: admission.period_id, at };
        let hold = self.metering.limits.reserve(&spender, admission.worst(1).expect("fits")).await.expect("credit");
        let price = admission.price(100);
        let event = id_of(made);
        let usage = Usage {
            event,
            price: price.price_id,
            task: "detect",
            model: "elements".into(),
            model_version: "1".into(),
            request: RequestId::new(),
            quantity: 1,
            pixels: 640 * 480 + at.timestamp() % 7,
            compute_us: 12_345 + at.timestamp() % 1000,
            charge: price.charge(),
            hold,
            record: None,
        };
        self.metering.writer.commit(usage).await.expect("committed");
        event
    }

    /// Closes what ended before an instant, and issues the invoices.
    async fn close(&self, customer: &Customer, now: Time) {
        close::close_due(&self.db, customer.account.id, now).await.expect("closed");
        let closed = format!("SELECT id FROM period WHERE account_id = '{}' AND state = 'closed'", customer.account.id.0);
        for period in self.uuids(&closed).await {
            let job = FinalizeInvoice { account: customer.account.id, period: entity::ids::PeriodId(period) };
            finalize::issue(&self.db, &Seller::default(), &job, now).await.expect("issued");
        }
    }

    async fn uuids(&self, sql: &str) -> Vec<Uuid> {
        let rows = self.db.query_all_raw(Statement::from_string(self.db.get_database_backend(), sql)).await.expect(sql);
        rows.iter().map(|row| row.try_get_by_index(0).expect("an id")).collect()
    }

    /// Archives the oldest month that is in the database and before another.
    async fn oldest(&self, before: &str) -> Result<Option<usage_archive::Model>, ArchiveError> {
        archive::oldest(&self.db, &self.archive, month(before), make::start(), &|_, _| ()).await
    }

    /// Archives all months before one.
    async fn archive(&self, before: &str) -> Vec<usage_archive::Model> {
        let mut rows = Vec::new();
        while let Some(row) = self.oldest(before).await.expect("archived") {
            self.sound().await;
            rows.push(row);
        }
        rows
    }

    /// All books agree.
    async fn sound(&self) {
        assert_eq!(reconcile::differences(&self.db, None).await.expect("the database"), []);
    }

    /// Every event in the database, whole.
    async fn events(&self) -> Vec<String> {
        let sql = "SELECT e::text FROM usage_event e ORDER BY account_id, id";
        let rows = self.db.query_all_raw(Statement::from_string(self.db.get_database_backend(), sql)).await.expect("events");
        rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
    }
}

/// A UUIDv7 of an instant.
fn id_of(made: Time) -> EventId {
    let milliseconds = u128::from(made.timestamp_millis().unsigned_abs());
    let drawn = Uuid::now_v7().as_u128() & ((1 << 80) - 1);
    EventId(Uuid::from_u128(milliseconds << 80 | drawn))
}

async fn partition(db: &DatabaseConnection, month: DateTime<chrono::Utc>) {
    let sql = Statement::from_sql_and_values(db.get_database_backend(), "SELECT ensure_usage_partition($1)", [month.into()]);
    db.execute_raw(sql).await.expect("a partition");
}

/// Does something from within a callback that cannot wait.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}
