//! A year of some accounts on simulated time, and books that agree at its end. `LENSMETER_YEAR_SEED` and
//! `LENSMETER_YEAR_ACCOUNTS` choose another one.

use lensmeter::cli::bench::year::{self, Settings};
use lensmeter::platform::db::connect;

use super::plain_paper;
use crate::support::db;

fn chosen<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_some_accounts_ends_with_books_that_agree() {
    let database = db::fresh().await;
    let db = connect(&database.url, 30).await.expect("it answers");
    let seed = chosen("LENSMETER_YEAR_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let accounts = chosen("LENSMETER_YEAR_ACCOUNTS").unwrap_or(12);
    let report = year::simulate(&db, Settings { accounts, seed, calls: 200, template: Some(plain_paper()) }).await;
    let report = report.unwrap_or_else(|error| panic!("LENSMETER_YEAR_SEED={seed} LENSMETER_YEAR_ACCOUNTS={accounts}: {error:#}"));
    println!("{}", year::line(&report));
    // A year in which nothing happens would agree, too.
    for name in ["calls", "invoices", "paid", "expired grants", "coupons used", "failed charges", "letters"] {
        assert!(report.count(name) > 0, "no {name}: {}", year::line(&report));
    }
}
