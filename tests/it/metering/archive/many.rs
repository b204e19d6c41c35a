//! A month of many parts, of which one account has most and another a few in the midst.

use std::time::Instant;

use entity::ids::AccountId;
use entity::usage_event::Model;
use lensmeter::metering::archive::{self, Archive, Month};
use lensmeter::metering::events::{Events, Which};
use lensmeter::platform::config::Storage;
use lensmeter::platform::objects;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use uuid::Uuid;

use super::super::books::number;
use super::{begin, folder, partition};
use crate::support::{db, make};

/// Events of January as the writer leaves them, over the whole month, in a period that nobody knows.
async fn fill(db: &DatabaseConnection, account: AccountId, events: i64) {
    let id = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8'
               || substr(md5(random()::text), 1, 15))::uuid";
    let sql = format!(
        "INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, task, model, model_version, request_id, quantity,
                                  quantity_before, amount_nanos, pixels, compute_us, at)
         SELECT {id}, $1, md5($1::text || n % 3)::uuid, md5($1::text)::uuid, md5('price')::uuid, 'detect', 'elements', '1', {id},
                1, n, CASE WHEN n < 1000 THEN 1500000 ELSE 1000000 END, 640 * 480 * (1 + n % 5), 9000 + (random() * 8000)::int, at
         FROM generate_series(0, $2::bigint - 1) n,
              LATERAL (SELECT $3::timestamptz + n * interval '31 days' / $2 + random() * interval '1 millisecond' AS at) instant"
    );
    let values = [account.0.into(), events.into(), begin().into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.expect("events");
}

async fn read(events: &mut Events, most: usize) -> Vec<Model> {
    let mut found: Vec<Model> = Vec::new();
    loop {
        let page = events.page(found.last().map(|event| event.id), most).await.expect("a page");
        let more = page.len() == most;
        found.extend(page);
        if !more {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_many_parts_is_read_as_it_was() {
    let db = db::fresh().await;
    let archive = Archive::over(objects::open(&Storage { folder: folder(&db), ..Storage::default() }).unwrap());
    partition(&db, begin()).await;
    let mut accounts: Vec<_> = (0..3).map(|_| AccountId(Uuid::now_v7())).collect();
    accounts.sort();
    for (account, events) in accounts.iter().zip([50, 45_000, 70]) {
        fill(&db, *account, events).await;
    }
    let mut before = Vec::new();
    for account in &accounts {
        before.push(Events::of(&db, &archive, *account, Which::All).all().await.unwrap());
    }
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [50, 45_000, 70]);
    archive::oldest(&db, &archive, "2024-02".parse().unwrap(), make::start(), &|_, _| ()).await.unwrap().expect("January");
    assert_eq!(number(&db, "SELECT count(*) FROM usage_event").await, 0);
    let (from, to) = ("2024-01-14T00:00:00Z".parse().unwrap(), "2024-01-15T00:00:00Z".parse().unwrap());
    for (account, before) in accounts.iter().zip(&before) {
        let events = |which| Events::of(&db, &archive, *account, which);
        assert!(&events(Which::All).all().await.unwrap() == before);
        for most in [999, 20_000] {
            assert!(&read(&mut events(Which::All), most).await == before, "pages of {most}");
            let mut found = read(&mut events(Which::All).newest_first(), most).await;
            found.reverse();
            assert!(&found == before, "pages of {most}, newest first");
        }
        let within: Vec<_> = before.iter().filter(|event| (from..to).contains(&event.at)).cloned().collect();
        assert!(read(&mut events(Which::Between(from, to)), 100).await == within);
        assert!(read(&mut events(Which::BetweenMoved(from, to)), 1000).await == within);
    }
    let rows = archive::list(&*db).await.unwrap();
    archive::verify(&db, &archive, &rows[0], &|_, _| ()).await.unwrap();
}

/// Not a test: prints what a million events come to. `cargo nextest run --release --run-ignored only --no-capture figures_of_a_million`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn figures_of_a_million() {
    let db = db::fresh().await;
    let archive = Archive::over(objects::open(&Storage { folder: folder(&db), ..Storage::default() }).unwrap());
    partition(&db, begin()).await;
    let accounts: Vec<_> = (0..100).map(|_| AccountId(Uuid::now_v7())).collect();
    for account in &accounts {
        fill(&db, *account, 10_000).await;
    }
    db.execute_unprepared("VACUUM ANALYZE usage_event").await.unwrap();
    let table = number(&db, "SELECT pg_table_size('usage_event_2024_01')").await;
    let indexes = number(&db, "SELECT pg_indexes_size('usage_event_2024_01')").await;
    let began = Instant::now();
    let row = archive::oldest(&db, &archive, "2024-02".parse().unwrap(), make::start(), &|_, _| ()).await.unwrap().expect("January");
    let archived = began.elapsed();
    println!(
        "partition {:.1} MB and its indexes {:.1} MB, file {:.1} MB, footer {:.1} kB",
        table as f64 / 1e6,
        indexes as f64 / 1e6,
        row.bytes as f64 / 1e6,
        row.footer_bytes as f64 / 1e3
    );
    println!("archived in {archived:.1?}");
    let sums = number(&db, "SELECT pg_total_relation_size('usage_archived')").await;
    println!("usage_archived {:.1} MB, {} rows", sums as f64 / 1e6, number(&db, "SELECT count(*) FROM usage_archived").await);
    let mut times = Vec::new();
    for account in accounts.iter().step_by(5) {
        let began = Instant::now();
        assert_eq!(Events::of(&db, &archive, *account, Which::All).all().await.unwrap().len(), 10_000);
        let whole = began.elapsed();
        let began = Instant::now();
        assert_eq!(Events::of(&db, &archive, *account, Which::All).newest_first().page(None, 21).await.unwrap().len(), 21);
        times.push((whole, began.elapsed()));
    }
    times.sort();
    println!("an account's month of 10 000: {:.1?}; its newest 21: {:.1?}", times[times.len() / 2].0, times[times.len() / 2].1);
    let began = Instant::now();
    archive::verify(&db, &archive, &row, &|_, _| ()).await.unwrap();
    println!("verified in {:.1?}", began.elapsed());
    let began = Instant::now();
    archive::restore(&db, &archive, Month::from(row.month), &|_, _| ()).await.unwrap();
    println!("restored in {:.1?}; the file is {}", began.elapsed(), folder(&db).join(&row.object).display());
}
