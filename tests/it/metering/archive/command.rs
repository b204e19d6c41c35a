//! `lensmeter archive` from a shell, and the job that does it by itself.

use std::time::Duration;

use lensmeter::metering::archive;

use super::{Past, month};
use crate::support::process;

#[tokio::test(flavor = "multi_thread")]
async fn the_command_archives_lists_verifies_and_restores() {
    let past = Past::new().await;
    let rows = past.events().await;
    let run = async |arguments: &[&str], succeeds: bool| {
        let (success, said) = process::archive(&past.db, arguments).await;
        assert_eq!(success, succeeds, "{arguments:?}: {said}");
        said
    };
    assert!(run(&["list"], true).await.contains("In the database: 2024-01, 2024-02, 2024-03"));
    let said = run(&["run", "--before", "2024-03"], true).await;
    assert!(said.contains("2024-01") && said.contains("2024-02") && said.contains("usage_event/2024-02.parquet"), "{said}");
    assert!(run(&["run", "--before", "2024-03"], true).await.contains("No month before 2024-03"));
    assert!(run(&["run", "--before", "2024-04"], false).await.contains("no issued invoice"));
    assert!(run(&["run", "--before", "tomorrow"], false).await.contains("expected a month such as 2026-01"));
    assert_eq!(run(&["verify"], true).await.matches("ok ").count(), 2);

    std::fs::remove_file(past.folder.join("usage_event/2024-01.parquet")).unwrap();
    let said = run(&["verify"], false).await;
    assert!(said.contains("WRONG usage_event/2024-01.parquet") && said.contains("ok    2024-02"), "{said}");
    run(&["verify", "2024-02"], true).await;
    assert!(run(&["verify", "2024-03"], false).await.contains("2024-03 is not archived"));
    let said = run(&["restore", "2024-01"], false).await;
    assert!(said.contains("put the object back"), "{said}");
    past.sound().await;

    assert!(run(&["restore", "2024-02"], true).await.contains("34 events are in the database again"));
    assert_eq!(past.events().await.len(), rows.len() - 46);
    assert!(process::doctor_books(&past.db).await.contains("agree"));
    past.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_so_archives_by_itself() {
    let past = Past::new().await;
    // February, as the worker lives today and closes what is due.
    let _worker = process::work(&past.db, &[("LENSMETER_ARCHIVE_AFTER_MONTHS", "2")]);
    for _ in 0..300 {
        if archive::list(&*past.db).await.unwrap().iter().any(|row| row.month == month("2024-01").date()) {
            past.sound().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was archived within 30 s");
}
