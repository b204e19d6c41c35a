//! A month of many parts, of which one account has most and another a few in the midst.

use entity::ids::AccountId;
use entity::usage_event::Model;
use lensmeter::cli::bench::archive::fill;
use lensmeter::metering::archive::{self, Archive};
use lensmeter::metering::events::{Events, Which};
use lensmeter::platform::config::Storage;
use lensmeter::platform::objects;
use uuid::Uuid;

use super::super::books::number;
use super::{begin, folder, partition};
use crate::support::{db, make};

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
        fill(&db, *account, events, begin()).await.unwrap();
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
