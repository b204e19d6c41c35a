//! `lensmeter bench archive`: what a month of usage takes as a file instead of a partition, how long it takes to get there and
//! back, and how long to read one account's part of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use entity::Time;
use entity::ids::AccountId;
use object_store::local::LocalFileSystem;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement, Value};
use uuid::Uuid;

use crate::cli::demo::cluster::Cluster;
use crate::cli::demo::folder::Folder;
use crate::metering::archive::{self, Archive, Month};
use crate::metering::events::{Events, Which};
use crate::platform::clock::Clock;
use crate::platform::db;

/// Options of `lensmeter bench archive`.
#[derive(clap::Args)]
pub struct Args {
    /// How many events the month has
    #[arg(long, default_value_t = 1_000_000)]
    events: i64,
    /// Of how many accounts, each as many
    #[arg(long, default_value_t = 100)]
    accounts: i64,
}

/// Measures and prints.
///
/// # Errors
/// When PostgreSQL does not start, or what is read is not what was written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let path = std::env::temp_dir().join(format!("lensmeter-bench-{}", std::process::id()));
    let folder = Folder::open(&path)?;
    let cluster = Cluster::start(&folder, &folder.secrets()?.database_password).await?;
    let measured = async {
        let db = db::connect(&cluster.url, 4).await?;
        db::migrate(&db).await?;
        measure(&db, &args, &path).await
    };
    let measured = measured.await;
    drop(cluster.stop());
    drop(std::fs::remove_dir_all(&path));
    for (what, value) in measured? {
        println!("| {what} | {value} |");
    }
    Ok(())
}

async fn measure(db: &DatabaseConnection, args: &Args, path: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let objects = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
    let archive = Archive::over(Arc::new(objects));
    let begin: Time = "2024-01-01T00:00:00Z".parse()?;
    execute(db, "SELECT ensure_usage_partition($1)", vec![begin.into()]).await?;
    let accounts: Vec<_> = (0..args.accounts).map(|_| AccountId::new()).collect();
    let each = args.events / args.accounts.max(1);
    for account in &accounts {
        fill(db, *account, each, begin).await?;
    }
    db.execute_unprepared("VACUUM ANALYZE usage_event").await?;
    let (table, indexes) = (number(db, "SELECT pg_table_size('usage_event_2024_01')").await?, number(db, INDEXES).await?);
    let mut reading = vec![("events, accounts", format!("{}, {}", args.events, args.accounts))];
    let mb = |bytes: i64| format!("{:.1} MB", bytes as f64 / 1e6);
    reading.push(("partition, its indexes", format!("{}, {}", mb(table), mb(indexes))));

    let started = Instant::now();
    let row = archive::oldest(db, &archive, "2024-02".parse().map_err(anyhow::Error::msg)?, Clock::System.now(), &|_, _| ()).await?;
    let row = row.context("there is a month")?;
    reading.push(("archived in", format!("{:.1} s", started.elapsed().as_secs_f64())));
    reading.push(("file, of it the footer", format!("{}, {}", mb(row.bytes), mb(row.footer_bytes))));
    let sums = number(db, "SELECT pg_total_relation_size('usage_archived')").await?;
    reading.push(("sums that stay, rows", format!("{}, {}", mb(sums), number(db, "SELECT count(*) FROM usage_archived").await?)));

    let (mut whole, mut newest) = (Vec::new(), Vec::new());
    for account in &accounts {
        let started = Instant::now();
        let events = Events::of(db, &archive, *account, Which::All).all().await?;
        whole.push(started.elapsed());
        ensure!(events.len() as i64 == each, "{account} has {} events of {each}", events.len());
        let started = Instant::now();
        Events::of(db, &archive, *account, Which::All).newest_first().page(None, 21).await?;
        newest.push(started.elapsed());
    }
    for (what, mut times) in [("an account's month, median", whole), ("its newest 21 events, median", newest)] {
        times.sort();
        reading.push((what, format!("{:.1} ms", times[times.len() / 2].as_secs_f64() * 1000.)));
    }
    let started = Instant::now();
    archive::verify(db, &archive, &row, &|_, _| ()).await?;
    reading.push(("verified in", format!("{:.1} s", started.elapsed().as_secs_f64())));
    let started = Instant::now();
    archive::restore(db, &archive, Month::from(row.month), &|_, _| ()).await?;
    reading.push(("restored in", format!("{:.1} s", started.elapsed().as_secs_f64())));
    Ok(reading)
}

const INDEXES: &str = "SELECT pg_indexes_size('usage_event_2024_01')";

/// Events of 31 days as the writer leaves them, in a period that nobody knows and without what sums them up.
///
/// # Errors
/// When the database refuses.
pub async fn fill(db: &DatabaseConnection, account: AccountId, events: i64, begin: Time) -> Result<(), DbErr> {
    // Drawn like a UUIDv7: 48 bits of milliseconds, the version, the variant, and the rest at random.
    let id = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8'
               || substr(md5(random()::text), 1, 15))::uuid";
    let sql = format!(
        "INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, task, model, model_version, request_id, quantity,
                                  quantity_before, amount_nanos, pixels, compute_us, at)
         SELECT {id}, $1, md5($1::text || n % 3)::uuid, $4, $5, 'detect', 'elements', '1', {id},
                1, n, CASE WHEN n < 1000 THEN 1500000 ELSE 1000000 END, 640 * 480 * (1 + n % 5), 9000 + (random() * 8000)::int, at
         FROM generate_series(0, $2::bigint - 1) n,
              LATERAL (SELECT $3::timestamptz + n * interval '31 days' / $2 + random() * interval '1 millisecond' AS at) instant"
    );
    execute(db, &sql, vec![account.0.into(), events.into(), begin.into(), Uuid::now_v7().into(), Uuid::now_v7().into()]).await
}

async fn execute(db: &DatabaseConnection, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(drop)
}

async fn number(db: &DatabaseConnection, sql: &str) -> anyhow::Result<i64> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("one row")?;
    row.try_get_by_index(0).map_err(Into::into)
}
