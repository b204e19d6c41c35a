//! `lensmeter bench year`: a year of business on simulated time, through the code that runs in production, and whether the books
//! agree at its end. Payments go to the sandbox.

mod books;
mod calls;
mod catalogue;
mod customer;
mod deeds;
mod house;
mod refusal;
mod till;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::house::House;
use crate::cli::demo::cluster::Cluster;
use crate::cli::demo::folder::Folder;
use crate::platform::db;

/// Accounts whose year is lived at the same time: enough to keep the database busy.
const AT_ONCE: usize = 6;
/// Connections of the pool: each account that moves its clock holds one and works with others.
const CONNECTIONS: u32 = 30;

/// Options of `lensmeter bench year`.
#[derive(clap::Args)]
pub struct Args {
    /// Accounts, for each run
    #[arg(long, value_delimiter = ',', default_values_t = [200, 2000])]
    accounts: Vec<usize>,
    /// What decides on everything that happens; drawn when left out
    #[arg(long)]
    seed: Option<u64>,
    /// Calls of an account in the year, about
    #[arg(long, default_value_t = 300)]
    calls: u32,
    /// A folder whose `invoice.typ` sets the documents; ours when left out
    #[arg(long)]
    template: Option<PathBuf>,
}

/// A year to be lived.
#[derive(Debug, Clone)]
pub struct Settings {
    pub accounts: usize,
    pub seed: u64,
    /// Calls of an account in the year, about.
    pub calls: u32,
    /// A folder whose `invoice.typ` sets the documents; ours when there is none.
    pub template: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    pub settings: Settings,
    /// How often each kind of row is there at the end, by name.
    pub rows: Vec<(&'static str, i64)>,
    /// Deeds that were refused, as many of them must be.
    pub refused: usize,
    pub deeds: usize,
    /// What it took to live the year.
    pub seconds: f64,
    /// What it took to check the books.
    pub checked_seconds: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the books do not agree, with the seed.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("Seed {seed}; the year of 2027-06-15 to 2028-06-15.\n");
    let mut reports = Vec::new();
    for accounts in args.accounts {
        let settings = Settings { accounts, seed, calls: args.calls, template: args.template.clone() };
        let report = privately(settings).await.with_context(|| format!("--accounts {accounts} --seed {seed} --calls {}", args.calls))?;
        eprintln!("{}", line(&report));
        reports.push(report);
    }
    print!("{}", table(&reports));
    Ok(())
}

/// In a cluster of its own.
async fn privately(settings: Settings) -> anyhow::Result<Report> {
    let path = std::env::temp_dir().join(format!("lensmeter-bench-{}", std::process::id()));
    let folder = Folder::open(&path)?;
    let cluster = Cluster::start(&folder, &folder.secrets()?.database_password).await?;
    let report = async {
        let db = db::connect(&cluster.url, CONNECTIONS).await?;
        db::migrate(&db).await?;
        simulate(&db, settings).await
    };
    let report = report.await;
    drop(cluster.stop());
    drop(std::fs::remove_dir_all(&path));
    report
}

/// Lives the year on an empty, migrated database and checks the books.
///
/// # Errors
/// When anything fails that is no refusal, or the books do not agree: with what differs.
pub async fn simulate(db: &DatabaseConnection, settings: Settings) -> anyhow::Result<Report> {
    let house = Arc::new(House::furnish(db, settings.template.clone()).await?);
    let postman = house.carry_no_mail();
    let start = Instant::now();
    let (deeds, refused) = live(&house, &settings).await?;
    let seconds = start.elapsed().as_secs_f64();
    postman.abort();
    let start = Instant::now();
    books::check(&house).await?;
    let rows = rows(db).await?;
    Ok(Report { settings, rows, refused, deeds, seconds, checked_seconds: start.elapsed().as_secs_f64() })
}

/// Deeds, and how many of them were refused.
async fn live(house: &Arc<House>, settings: &Settings) -> anyhow::Result<(usize, usize)> {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut lives = JoinSet::new();
    for number in 0..settings.accounts {
        let (house, free, settings) = (house.clone(), free.clone(), settings.clone());
        lives.spawn(async move {
            let _place = free.acquire_owned().await?;
            customer::live(&house, number, &settings).await.with_context(|| format!("account {number}"))
        });
    }
    let (mut deeds, mut refused) = (0, 0);
    while let Some(lived) = lives.join_next().await {
        let (more, not) = lived??;
        (deeds, refused) = (deeds + more, refused + not);
    }
    Ok((deeds, refused))
}

async fn rows(db: &DatabaseConnection) -> anyhow::Result<Vec<(&'static str, i64)>> {
    let counts = [
        ("calls", "usage_event"),
        ("periods", "period WHERE state = 'closed'"),
        ("invoices", "invoice"),
        ("paid", "invoice WHERE payment_state = 'paid' AND total_minor > 0"),
        ("withdrawn or given up", "invoice WHERE document_state IN ('void', 'uncollectible')"),
        ("credit notes", "credit_note"),
        ("subscriptions", "subscription"),
        ("expired grants", "credit_movement WHERE kind = 'expiry'"),
        ("coupons used", "coupon_use"),
        ("failed charges", "mail WHERE letter = 'payment_failed'"),
        ("suspensions", "mail WHERE letter = 'suspended'"),
        ("letters", "mail"),
        ("transfers", "transfer"),
    ];
    let mut rows = Vec::new();
    for (name, from) in counts {
        let statement = Statement::from_string(db.get_database_backend(), format!("SELECT count(*) AS n FROM {from}"));
        rows.push((name, db.query_one_raw(statement).await?.map_or(Ok(0), |row| row.try_get("", "n"))?));
    }
    Ok(rows)
}

impl Report {
    /// How often a kind of row is there; see [`rows`](Self::rows).
    pub fn count(&self, name: &str) -> i64 {
        self.rows.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }
}

/// A run in one line.
pub fn line(report: &Report) -> String {
    let rows: Vec<String> = report.rows.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let Report { settings, refused, deeds, seconds, checked_seconds, .. } = report;
    let (accounts, seed) = (settings.accounts, settings.seed);
    format!(
        "{accounts} accounts, seed {seed}: {seconds:.1} s, books checked in {checked_seconds:.1} s; {deeds} deeds, {refused} refused; {}",
        rows.join(", ")
    )
}

fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    let mut row = |name: &str, cell: &dyn Fn(&Report) -> String| {
        let cells: Vec<String> = reports.iter().map(cell).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    row("accounts", &|report| report.settings.accounts.to_string());
    row("---", &|_| "---:".into());
    let names: Vec<&str> = reports.iter().take(1).flat_map(|report| report.rows.iter().map(|(name, _)| *name)).collect();
    for name in names {
        row(name, &|report| report.count(name).to_string());
    }
    row("deeds, of them refused", &|report| format!("{}, {}", report.deeds, report.refused));
    row("seconds for the year", &|report| format!("{:.1}", report.seconds));
    row("ms per account", &|report| format!("{:.0}", report.seconds * 1000. / report.settings.accounts as f64));
    row("ms per invoice", &|report| format!("{:.1}", report.seconds * 1000. / report.count("invoices").max(1) as f64));
    row("seconds to check all books", &|report| format!("{:.1}", report.checked_seconds));
    text
}
