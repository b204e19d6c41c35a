//! Money: the books, the documents, Stripe, and what a duplicate, a crash or a liar does to them.

mod acts;
mod alerts;
mod auto_top_up;
mod books;
mod cards;
mod catalogue;
mod changing;
mod clock;
mod collecting;
mod credits;
mod disputes;
mod documents;
mod dunning;
mod golden;
mod inbound;
mod invariants;
mod invoices;
mod intents;
mod letters;
mod live;
mod paper;
mod pricing;
mod returning;
mod sca;
mod sending;
mod shop;
mod simulating;
mod topping_up;
mod year;
mod traces;
mod watching;

use entity::ids::{EventId, KeyId, PeriodId, PriceId, RequestId};
use entity::money::Nanos;
use entity::{Time, account, balance, invoice, period, usage_event, usage_rollup};
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::{close, ledger, plan, rating};
use lensmeter::metering::digest::Digest;
use lensmeter::platform::config::Seller;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, TransactionTrait as _,
};

/// What our links start with.
const URL: &str = "https://lensmeter.test";

fn seller() -> Seller {
    Seller {
        name: "Lensmeter Example GmbH".into(),
        address: "1 Example Street".into(),
        postal_code: "10115".into(),
        city: "Berlin".into(),
        country: "DE".into(),
        tax_id: "DE123456789".into(),
        taxes: Vec::new(),
        template: None,
    }
}

/// A template that is set at once, for tests about many documents and not about what they look like.
fn plain_paper() -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plain-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["invoice.typ", "credit_note.typ"] {
        std::fs::write(folder.join(name), "#sys.inputs.data").expect("written");
    }
    folder
}

async fn open_period(db: &DatabaseConnection, account: &account::Model) -> period::Model {
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open));
    open.one(db).await.expect("the database").expect("an open period")
}

/// Books `calls` calls of one image each in the open period, with what metering writes for them in one transaction.
async fn use_images(db: &DatabaseConnection, account: &account::Model, calls: i64, at: Time) -> (PeriodId, PriceId) {
    let period = open_period(db, account).await;
    let (_, prices) = plan::current(db, account.id).await.expect("the database").expect("a plan");
    let price = prices.iter().find(|price| price.task.as_deref() == Some("detect")).expect("it is sold");
    let before =
        usage_event::Entity::of(account.id).filter(usage_event::Column::PeriodId.eq(period.id)).all(db).await.expect("events").len() as i64;
    let txn = db.begin().await.expect("a transaction");
    let mut sum = Nanos(0);
    let mut digest = Digest::default();
    for call in before..before + calls {
        let amount = rating::charge(&price.rate(), call, 1).expect("a price");
        sum = sum.checked_add(amount).expect("fits");
        let event = EventId::new();
        digest.add(Digest::of_event(event, price.id, (call, 1), amount, at));
        usage_event::Entity::insert(usage_event::ActiveModel {
            id: Set(event),
            account_id: Set(account.id),
            key_id: Set(KeyId::new()),
            period_id: Set(period.id),
            price_id: Set(price.id),
            task: Set("detect".into()),
            model: Set("elements".into()),
            model_version: Set("1".into()),
            request_id: Set(RequestId::new()),
            quantity: Set(1),
            quantity_before: Set(call),
            amount_nanos: Set(amount),
            pixels: Set(1_000_000),
            compute_us: Set(30_000),
            at: Set(at),
        })
        .exec_without_returning(&txn)
        .await
        .expect("an event");
    }
    let rollup = usage_rollup::ActiveModel {
        account_id: Set(account.id),
        period_id: Set(period.id),
        price_id: Set(price.id),
        key_id: Set(KeyId::new()),
        model: Set("elements".into()),
        hour: Set(at),
        events: Set(calls),
        quantity: Set(calls),
        amount_nanos: Set(sum),
    };
    usage_rollup::Entity::insert(rollup).exec_without_returning(&txn).await.expect("a rollup");
    let counted = format!(
        "UPDATE usage_rollup SET digest = {} WHERE period_id = '{}' AND events = {calls} AND digest = 0",
        digest.decimal(),
        period.id.0
    );
    txn.execute_unprepared(&counted).await.expect("its digest");
    let spend = format!("UPDATE balance SET debits = debits + {} WHERE account_id = '{}'", sum.0, account.id.0);
    txn.execute_unprepared(&spend).await.expect("credit for it");
    txn.commit().await.expect("committed");
    (period.id, price.id)
}

/// Lets the open period end and issues its invoice. Returns the instant after the end, too.
async fn end_period(db: &DatabaseConnection, account: &account::Model) -> (invoice::Model, Time) {
    let period = open_period(db, account).await;
    let now = period.ends_at + chrono::TimeDelta::hours(1);
    assert_eq!(close::close_due(db, account.id, now).await.expect("closed"), 1);
    let job = FinalizeInvoice { account: account.id, period: period.id };
    let invoice = finalize::issue(db, &seller(), &job, now).await.expect("issued");
    finalize::run(db, &seller(), URL, job, now).await.expect("rendered");
    (invoice, now)
}

/// Sum zero, whatever happened; and what is left on the balance is credit that usage has not taken.
async fn assert_balanced(db: &DatabaseConnection) {
    let lines = ledger::trial_balance(db).await.expect("the books");
    assert_eq!(lines.iter().map(|line| line.nanos.0).sum::<i64>(), 0, "{lines:?}");
}

async fn balance(db: &DatabaseConnection, account: &account::Model) -> balance::Model {
    balance::Entity::credit_of(account.id).one(db).await.expect("the database").expect("a balance")
}

async fn reread(db: &DatabaseConnection, invoice: &invoice::Model) -> invoice::Model {
    invoice::Entity::find_by_id(invoice.id).one(db).await.expect("the database").expect("the invoice")
}
