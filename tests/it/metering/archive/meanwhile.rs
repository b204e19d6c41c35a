//! Months go and come back while they are read: every reader finds every event, at every instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use lensmeter::billing::reconcile;
use lensmeter::metering::archive::{self, ArchiveError};
use lensmeter::metering::events::{Events, Which};

use super::{Past, month};

#[tokio::test(flavor = "multi_thread")]
async fn readers_find_every_event_while_months_go_and_come_back() {
    let past = Arc::new(Past::new().await);
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut readers = Vec::new();
    for customer in 0..2 {
        for most in [5, 100] {
            let (past, stop, reads) = (past.clone(), stop.clone(), reads.clone());
            readers.push(tokio::spawn(async move {
                let account = past.customers[customer].account.id;
                let events = || Events::of(&past.db, &past.archive, account, Which::All);
                let all = events().all().await.unwrap();
                assert_eq!(all.len(), 49);
                while !stop.load(Ordering::Relaxed) {
                    for (mut pages, newest_first) in [(events(), false), (events().newest_first(), true)] {
                        let mut found: Vec<entity::usage_event::Model> = Vec::new();
                        loop {
                            let page = pages.page(found.last().map(|event| event.id), most).await.unwrap();
                            let more = page.len() == most;
                            found.extend(page);
                            if !more {
                                break;
                            }
                        }
                        if newest_first {
                            found.reverse();
                        }
                        assert_eq!(found, all);
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
    }
    let auditor = {
        let (past, stop) = (past.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(reconcile::differences(&past.db, None).await.unwrap(), []);
            }
        })
    };
    let mut changes = 0;
    while changes < 12 {
        // Away: January, February. Back: February, January.
        let result = match changes % 4 {
            0 => past.oldest("2024-02").await.map(drop),
            1 => past.oldest("2024-03").await.map(drop),
            2 => archive::restore(&past.db, &past.archive, month("2024-02"), &|_, _| ()).await.map(drop),
            _ => archive::restore(&past.db, &past.archive, month("2024-01"), &|_, _| ()).await.map(drop),
        };
        match result {
            Ok(()) => changes += 1,
            Err(ArchiveError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    auditor.await.unwrap();
    assert!(reads.load(Ordering::Relaxed) > 20, "{reads:?} is too few to have met anything");
    past.sound().await;
}
