//! Everything that reads events says the same bytes before and after.

use std::collections::BTreeMap;

use entity::invoice;
use lensmeter::billing::invoice::{audit, export, verify};
use lensmeter::billing::simulate::{self, SimulateError};
use lensmeter::billing::{plan, reconcile};
use lensmeter::metering::archive;
use lensmeter::metering::events::{Events, Which};
use sea_orm::QueryOrder as _;
use serde_json::Value;

use super::{Past, at, begin, month};
use crate::support::{make, process};

/// What is said to one key, by path.
struct Said<'a> {
    url: &'a str,
    key: &'a str,
    all: BTreeMap<String, String>,
}

impl Said<'_> {
    async fn get(&mut self, path: &str) -> Value {
        let answer = reqwest::Client::new().get(format!("{}{path}", self.url)).bearer_auth(self.key).send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a whole answer");
        assert!(status.is_success(), "{path}: {status} {text}");
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if !path.ends_with("reconcile") {
            self.all.insert(path.to_owned(), text);
        }
        json
    }

    /// A list from end to end, in one direction; the ids in the order in which they came.
    async fn walk(&mut self, direction: &str, first: &str, limit: usize) -> Vec<String> {
        let (mut cursor, mut ids) = (first.to_owned(), Vec::new());
        loop {
            let page = self.get(&format!("/v1/usage/events?limit={limit}{cursor}")).await;
            let page_ids: Vec<String> = page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().into()).collect();
            let next = if direction == "after" { page_ids.last() } else { page_ids.first() };
            cursor = next.map_or_else(String::new, |id| format!("&{direction}={id}"));
            ids.extend(page_ids);
            if page["has_more"] != true {
                return ids;
            }
        }
    }
}

/// All that one customer can see of the past.
async fn everything(past: &Past, url: &str, customer: usize, key: &str) -> BTreeMap<String, String> {
    let account = past.customers[customer].account.id;
    let mut said = Said { url, key, all: BTreeMap::new() };
    for window in [
        "from=2024-01-01&to=2024-04-30",
        "from=2024-01-20&to=2024-02-10",
        "from=2024-02-10&to=2024-02-11",
        "from=2024-03-01&to=2024-03-31",
        "from=2025-01-01&to=2025-02-01",
    ] {
        said.get(&format!("/v1/usage.csv?{window}")).await;
    }
    let invoices = invoice::Entity::of(account).order_by_asc(invoice::Column::Id);
    let invoices = sea_orm::QuerySelect::limit(invoices, 10);
    for invoice in sea_orm::Select::all(invoices, &*past.db).await.unwrap() {
        said.get(&format!("/v1/invoices/{}/usage.csv", invoice.id)).await;
        let exported = export::export(&past.db, &past.archive, account, invoice.id).await.unwrap().expect("an invoice");
        verify::verify(&exported).expect("it adds up");
        said.all.insert(invoice.id.to_string(), serde_json::to_string(&exported).unwrap());
    }
    for limit in [7, 20, 100] {
        let down = said.walk("after", "", limit).await;
        assert_eq!(down.len(), 49);
        let mut sorted = down.clone();
        sorted.sort();
        sorted.reverse();
        assert_eq!(down, sorted, "newest first");
        let oldest = down.last().unwrap();
        let mut up = said.walk("before", &format!("&before={oldest}"), limit).await;
        up.sort();
        assert_eq!(up, sorted[..48].iter().rev().cloned().collect::<Vec<_>>());
    }
    let reconciled = said.get("/v1/usage/reconcile").await;
    assert_eq!(reconciled["balanced"], true, "{reconciled}");
    said.all
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_sees_no_difference() {
    let past = Past::new().await;
    let server = process::serve(&past.db).await;
    let mut keys = Vec::new();
    for customer in &past.customers {
        keys.push(make::key(&past.db, &customer.account).await.1);
    }
    let mut before = Vec::new();
    for (customer, key) in keys.iter().enumerate() {
        before.push(everything(&past, &server.url, customer, key).await);
    }
    let audited = audit::run(&past.db, &past.archive, 100, make::start()).await.unwrap();
    assert_eq!((audited.same, audited.different), (4, 0));
    let rows = past.events().await;

    let archived = past.archive("2024-03").await;
    assert_eq!(archived.iter().map(|row| row.events).collect::<Vec<_>>(), [46, 34]);
    assert_eq!(archive::attached(&*past.db).await.unwrap()[0], month("2024-03"));
    assert_eq!(past.events().await.len(), 18, "the others are in files only");
    for row in &archived {
        archive::verify(&past.db, &past.archive, row, &|_, _| ()).await.unwrap();
    }
    for (customer, key) in keys.iter().enumerate() {
        let after = everything(&past, &server.url, customer, key).await;
        assert_eq!(after.len(), before[customer].len());
        for (path, text) in &before[customer] {
            assert_eq!(&after[path], text, "{path}");
        }
    }
    // Tomorrow, by what stands in the files; then not every day, as these cannot change.
    let days = |days| make::start() + chrono::TimeDelta::days(days);
    assert_eq!(audit::run(&past.db, &past.archive, 100, days(1)).await.unwrap().same, 0);
    assert_eq!(audit::run(&past.db, &past.archive, 100, days(30)).await.unwrap(), audit::Audited { same: 4, different: 0 });

    // Nobody who has no calls sees another's.
    let stranger = make::account_since(&past.db, "usd", begin()).await;
    assert_eq!(Events::of(&past.db, &past.archive, stranger.id, Which::All).all().await.unwrap(), []);
    let one = &past.customers[0].account;
    let own = Events::of(&past.db, &past.archive, one.id, Which::All).all().await.unwrap();
    assert!(own.len() == 49 && own.iter().all(|event| event.account_id == one.id));

    for text in ["2024-02", "2024-01"] {
        archive::restore(&past.db, &past.archive, month(text), &|_, _| ()).await.unwrap();
        past.sound().await;
    }
    assert_eq!(past.events().await, rows, "every column of every event");
    assert_eq!(archive::list(&*past.db).await.unwrap(), []);
    assert_eq!(archive::attached(&*past.db).await.unwrap()[0], month("2024-01"));
    let again = past.archive("2024-03").await;
    let digests = |rows: &[entity::usage_archive::Model]| rows.iter().map(|row| row.footer_sha256.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&archived), "the same events are the same file");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_clock_that_jumped_back_stands_in_its_place() {
    let past = Past::new().await;
    let customer = &past.customers[0];
    past.archive("2024-03").await;
    // No partition of an archived month is made anew, so it goes where strays go.
    super::partition(&past.db, begin()).await;
    let now = at("2024-03-20T00:00:00Z");
    let stray = past.call(customer, now, at("2024-01-10T12:00:00Z")).await;
    past.metering.limits.give_back(std::time::Duration::ZERO).await;
    past.sound().await;

    let events = |which| Events::of(&past.db, &past.archive, customer.account.id, which);
    let all = events(Which::All).all().await.unwrap();
    assert_eq!(all.len(), 50);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id) && all.iter().filter(|event| event.id == stray).count() == 1);
    for most in [1, 2, 5, 30] {
        let (mut pages, mut found) = (events(Which::All), Vec::new());
        while let page = pages.page(found.last().map(|event: &entity::usage_event::Model| event.id), most).await.unwrap()
            && !page.is_empty()
        {
            found.extend(page);
        }
        assert_eq!(found, all, "pages of {most}");
        let (mut pages, mut found) = (events(Which::All).newest_first(), Vec::new());
        while let page = pages.page(found.last().map(|event: &entity::usage_event::Model| event.id), most).await.unwrap()
            && !page.is_empty()
        {
            found.extend(page);
        }
        found.reverse();
        assert_eq!(found, all, "pages of {most}, the other way round");
    }

    // It comes into its month when that is brought back, and is archived with it then.
    archive::restore(&past.db, &past.archive, month("2024-01"), &|_, _| ()).await.unwrap();
    past.sound().await;
    assert_eq!(events(Which::All).all().await.unwrap(), all);
    past.close(customer, at("2024-04-02T00:00:00Z")).await;
    archive::restore(&past.db, &past.archive, month("2024-02"), &|_, _| ()).await.unwrap();
    assert_eq!(past.oldest("2024-02").await.unwrap().expect("January").events, 47);
    assert_eq!(events(Which::All).all().await.unwrap(), all);
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_of_an_archived_period_says_which_month_to_bring_back() {
    let past = Past::new().await;
    let file = plan::newest_file(&*past.db, plan::DEFAULT_PLAN).await.unwrap().expect("the shipped plan");
    let january = simulate::month("2024-01").unwrap();
    let only = Some(past.customers[0].account.id);
    let before = simulate::simulate(&*past.db, &file, january, only).await.unwrap();
    past.archive("2024-02").await;
    let error = simulate::simulate(&*past.db, &file, january, only).await.unwrap_err();
    assert!(matches!(&error, SimulateError::Archived { month, .. } if month.to_string() == "2024-01"), "{error}");
    archive::restore(&past.db, &past.archive, month("2024-01"), &|_, _| ()).await.unwrap();
    assert_eq!(simulate::simulate(&*past.db, &file, january, only).await.unwrap(), before);
    assert_eq!(reconcile::differences(&past.db, None).await.unwrap(), []);
}
