//! `lensmeter bench billing`: how fast periods are closed and invoiced, and that it does not matter how much was used in them.

use std::time::Instant;

use chrono::TimeDelta;
use entity::account::{self, Mode};
use entity::credit_grant::Kind;
use entity::ids::{AccountId, KeyId, MemberId};
use entity::member::{self, Role};
use entity::money::Nanos;
use entity::{Time, period};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, Statement,
};

use super::house;
use crate::billing::invoice::finalize::{self, FinalizeInvoice};
use crate::billing::{close, credit, plan, rating, subscription};
use crate::cli::demo::cluster::Cluster;
use crate::cli::demo::folder::Folder;
use crate::platform::clock::Clock;
use crate::platform::config::Seller;
use crate::platform::db;

/// Options of `lensmeter bench billing`.
#[derive(clap::Args)]
pub struct Args {
    /// Accounts whose period is closed, for each number of events
    #[arg(long, default_value_t = 20)]
    accounts: usize,
    /// Events in the period, each measured
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100_000])]
    events: Vec<i64>,
}

/// Measures and prints.
///
/// # Errors
/// When PostgreSQL does not start, or a period cannot be closed.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let path = std::env::temp_dir().join(format!("lensmeter-bench-{}", std::process::id()));
    let folder = Folder::open(&path)?;
    let cluster = Cluster::start(&folder, &folder.secrets()?.database_password).await?;
    let measured = measure(&args, &path, &cluster.url).await;
    drop(cluster.stop());
    drop(std::fs::remove_dir_all(&path));
    println!("| events in the period | accounts | invoices closed per second | ms per invoice |\n|---:|---:|---:|---:|");
    for (events, seconds) in measured? {
        let rate = args.accounts as f64 / seconds;
        println!("| {events} | {} | {rate:.1} | {:.1} |", args.accounts, 1000. / rate);
    }
    Ok(())
}

async fn measure(args: &Args, path: &std::path::Path, url: &str) -> anyhow::Result<Vec<(i64, f64)>> {
    let now = Clock::System.now();
    let db = db::connect(url, 4).await?;
    db::migrate(&db).await?;
    house::apply_plan(&db, path, now).await?;
    let mut measured = Vec::new();
    for &events in &args.events {
        let mut accounts = Vec::with_capacity(args.accounts);
        for number in 0..args.accounts {
            accounts.push(used(&db, events, number, now).await?);
        }
        db.execute_unprepared("ANALYZE").await?;
        let start = Instant::now();
        for account in &accounts {
            closed(&db, account).await?;
        }
        measured.push((events, start.elapsed().as_secs_f64()));
        eprintln!("{events} events: {} invoices in {:.2} s", accounts.len(), start.elapsed().as_secs_f64());
    }
    db.close().await?;
    Ok(measured)
}

/// Closes the open period of an account and issues its invoice, as the worker does but for the PDF.
async fn closed(db: &DatabaseConnection, account: &account::Model) -> anyhow::Result<()> {
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let Some(open) = open else { anyhow::bail!("{} has no open period", account.id) };
    close::close_due(db, account.id, open.ends_at).await?;
    let job = FinalizeInvoice { account: account.id, period: open.id };
    finalize::issue(db, &Seller::default(), &job, open.ends_at).await?;
    Ok(())
}

/// An account that used so many images of its period, written as metering writes them.
async fn used(db: &DatabaseConnection, events: i64, number: usize, now: Time) -> anyhow::Result<account::Model> {
    let account = account::Model::new(AccountId::new(), format!("Bench {events}/{number}"), "usd", Mode::Test, now);
    account::Entity::insert(account::ActiveModel::from(account.clone())).exec_without_returning(db).await?;
    let owner = member::ActiveModel {
        id: Set(MemberId::new()),
        account_id: Set(account.id),
        email: Set(format!("owner-{}@example.com", account.id)),
        password_hash: Set("nobody logs in".into()),
        role: Set(Role::Owner),
        email_verified_at: Set(Some(now)),
        created_at: Set(now),
    };
    member::Entity::insert(owner).exec_without_returning(db).await?;
    subscription::start_in(db, &account, now).await?;
    credit::grant_in(db, &account, Kind::Paid, &format!("bench:{}", account.id), Nanos(1_000_000_000_000_000), now).await?;
    let open = period::Entity::of(account.id).one(db).await?;
    let priced = plan::current(db, account.id).await?.and_then(|(_, prices)| prices.into_iter().next());
    let (Some(open), Some(price)) = (open, priced) else { anyhow::bail!("the plan has no price") };
    let unit = rating::charge(&price.rate(), 0, 1)?;
    let (key, at) = (KeyId::new(), now + TimeDelta::minutes(1));
    let event = "INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, task, model, model_version, request_id, quantity,
                                          quantity_before, amount_nanos, pixels, compute_us, at)
                 SELECT gen_random_uuid(), $1, $2, $3, $4, 'detect', 'elements', '1', gen_random_uuid(), 1, place, $5, 1000000, 30000, $6
                 FROM generate_series(0, $7 - 1) place";
    let rollup = "INSERT INTO usage_rollup (account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos)
                  SELECT $1, $3, $4, $2, 'elements', date_trunc('hour', $6::timestamptz, 'UTC'), $7, $7, $7 * $5";
    for statement in [event, rollup] {
        let values = [account.id.0.into(), key.0.into(), open.id.0.into(), price.id.0.into(), unit.0.into(), at.into(), events.into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await?;
    }
    Ok(account)
}
