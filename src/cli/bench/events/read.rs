//! What is asked of many events, and how long each answer takes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::{Client, RequestBuilder};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

use super::fill::Subject;
use crate::billing::reconcile;
use crate::cli::bench::house::House;

/// What was measured and what came of it, in words.
pub type Reading = Vec<(&'static str, String)>;

/// Pages and reports that are answered at once, or should be.
const PAGES: [(&str, &str); 5] = [
    ("usage page of the portal, ms", "/app/usage"),
    ("JSON report by day, ms", "/v1/usage?group_by=day"),
    ("JSON report by key, ms", "/v1/usage?group_by=key"),
    ("latest 100 events, ms", "/v1/usage/events?limit=100"),
    ("invoice preview, ms", "/v1/invoices/upcoming"),
];

/// Asks for everything.
///
/// # Errors
/// When an answer is no 200, or the books differ.
pub async fn all(house: &House, db: &DatabaseConnection, subject: &Subject, rounds: usize) -> anyhow::Result<Reading> {
    // Not one with a timeout for all of an answer: ten million rows take their time.
    let client = Client::builder().no_proxy().build()?;
    let get = |path: &str| {
        let request = client.get(format!("{}{path}", house.url)).bearer_auth(&house.api_keys[0]);
        request.header("cookie", format!("lensmeter={}", subject.cookie))
    };
    let mut reading = Reading::new();
    for (what, path) in PAGES {
        reading.push((what, page(|| get(path), rounds).await.context(path)?));
    }
    reading.extend(csv(house, get("/v1/usage.csv")).await?);
    let started = Instant::now();
    succeed(get("/v1/usage/reconcile")).await?;
    reading.push(("reconcile, one account, s", format!("{:.2}", started.elapsed().as_secs_f64())));
    let started = Instant::now();
    ensure!(reconcile::differences(db, None).await?.is_empty(), "the books differ");
    reading.push(("`doctor --books`, s", format!("{:.2}", started.elapsed().as_secs_f64())));
    reading.extend(sizes(db).await?);
    Ok(reading)
}

async fn succeed(request: RequestBuilder) -> anyhow::Result<()> {
    let response = request.send().await?.error_for_status()?;
    // A page that redirects to the login would be fast, too.
    ensure!(!response.url().path().starts_with("/login"), "the session is not known");
    response.bytes().await?;
    Ok(())
}

/// Median and slowest, after one that is not counted.
async fn page(get: impl Fn() -> RequestBuilder, rounds: usize) -> anyhow::Result<String> {
    let mut times = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let started = Instant::now();
        succeed(get()).await?;
        if round > 0 {
            times.push(started.elapsed());
        }
    }
    times.sort();
    let ms = |at: usize| times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.);
    Ok(format!("{:.1} / {:.1}", ms(times.len() / 2), ms(times.len().saturating_sub(1))))
}

/// The export of all of them: when its first row is here, how fast the others come, what it takes of memory.
async fn csv(house: &House, request: RequestBuilder) -> anyhow::Result<Reading> {
    let (before, started) = (house.resident(), Instant::now());
    let mut response = request.send().await?.error_for_status()?;
    let (mut bytes, mut lines, mut first, mut most) = (0, 0, None, before);
    while let Some(chunk) = response.chunk().await? {
        let known = lines;
        (bytes, lines) = (bytes + chunk.len(), lines + chunk.iter().filter(|&&byte| byte == b'\n').count());
        // The first line is the header.
        if lines > 1 {
            first.get_or_insert_with(|| started.elapsed());
        }
        if lines / 100_000 > known / 100_000 {
            most = house.resident().max(most);
        }
    }
    let (took, first) = (started.elapsed().as_secs_f64(), first.unwrap_or(Duration::ZERO));
    Ok(vec![
        ("CSV, first row, ms", format!("{:.1}", first.as_secs_f64() * 1000.)),
        ("CSV, rows", (lines - 1).to_string()),
        ("CSV, rows/s", format!("{:.0}", (lines - 1) as f64 / took)),
        ("CSV, MB/s", format!("{:.1}", bytes as f64 / 1e6 / took)),
        ("server's memory before and at most during it, MiB", format!("{before:.0} / {most:.0}")),
    ])
}

/// What the events take of the disk.
async fn sizes(db: &DatabaseConnection) -> anyhow::Result<Reading> {
    let sql = "SELECT sum(pg_table_size(inhrelid))::bigint, sum(pg_indexes_size(inhrelid))::bigint,
                      pg_total_relation_size('usage_rollup'), (SELECT count(*) FROM usage_rollup), (SELECT count(*) FROM usage_event)
               FROM pg_inherits WHERE inhparent = 'usage_event'::regclass";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("a sum is one row")?;
    let number = |at: usize| row.try_get_by_index::<i64>(at);
    let (table, indexes, rollups, sums, events) = (number(0)?, number(1)?, number(2)?, number(3)?, number(4)?);
    let size = |bytes: i64| format!("{:.1} MiB, {:.0} bytes each", bytes as f64 / 1_048_576., bytes as f64 / events.max(1) as f64);
    Ok(vec![
        ("events' tables", size(table)),
        ("their three indexes", size(indexes)),
        ("rollups with their indexes", format!("{:.1} MiB, {sums} rows", rollups as f64 / 1_048_576.)),
    ])
}
