//! A file that is not what was archived, or not there: said aloud, and never fewer rows.

use std::path::Path;

use lensmeter::billing::invoice::audit;
use lensmeter::metering::archive::{self, Difference, ReadError};
use lensmeter::metering::events::{Events, Which};
use sea_orm::ConnectionTrait as _;

use super::Past;
use crate::support::{make, process};

/// Verifying names the object, and reading fails.
async fn assert_noticed(past: &Past, row: &entity::usage_archive::Model, what: &str) {
    let found = archive::verify(&past.db, &past.archive, row, &|_, _| ()).await.expect_err(what);
    let Difference::File(error @ ReadError::Changed { .. }) = &found else { panic!("{what}: {found}") };
    assert!(error.to_string().contains("usage_event/2024-01.parquet"), "{what}: {error}");
    for customer in &past.customers {
        let read = Events::of(&past.db, &past.archive, customer.account.id, Which::All).all().await;
        assert!(matches!(read, Err(ReadError::Changed { .. })), "{what}");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the test's own folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_can_be_changed_and_no_byte_taken_away() {
    let past = Past::new().await;
    let row = past.archive("2024-02").await.remove(0);
    let path = past.folder.join(&row.object);
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.len() as i64, row.bytes);
    for offset in (0..whole.len()).step_by(whole.len() / 40).chain([3, whole.len() - 1]) {
        let mut spoilt = whole.clone();
        spoilt[offset] ^= 1;
        write(&path, &spoilt);
        assert_noticed(&past, &row, &format!("byte {offset} of {}", whole.len())).await;
    }
    for length in [0, 4, whole.len() / 2, whole.len() - 1] {
        write(&path, &whole[..length]);
        assert_noticed(&past, &row, &format!("cut to {length}")).await;
    }
    std::fs::remove_file(&path).unwrap();
    assert_noticed(&past, &row, "not there").await;

    // Over HTTP, and for the self-audit.
    let server = process::serve(&past.db).await;
    let key = make::key(&past.db, &past.customers[0].account).await.1;
    let status = async |path: &str| {
        let answer = reqwest::Client::new().get(format!("{}{path}", server.url)).bearer_auth(&key).send().await.unwrap();
        answer.status().as_u16()
    };
    for path in ["/v1/usage.csv?from=2024-01-01&to=2024-04-01", "/v1/usage/events?limit=100"] {
        assert_eq!(status(path).await, 500, "{path}");
    }
    assert_eq!(status("/v1/usage/events?limit=10").await, 200, "what is in the database is shown");
    let audited = audit::run(&past.db, &past.archive, 100, make::start()).await.unwrap();
    assert_eq!((audited.same, audited.different), (2, 2), "one lost file holds up no other invoice");

    // A store that does not answer is another matter: it may work later.
    let folder = path.parent().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    write(folder, b"no folder");
    for path in ["/v1/usage.csv?from=2024-01-01&to=2024-04-01", "/v1/usage/events?limit=100"] {
        assert_eq!(status(path).await, 503, "{path}");
    }
    std::fs::remove_file(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
    write(&path, &whole);
    assert_eq!(status("/v1/usage/events?limit=100").await, 200);
    archive::verify(&past.db, &past.archive, &row, &|_, _| ()).await.unwrap();
    assert_eq!(audit::run(&past.db, &past.archive, 100, make::start() + chrono::TimeDelta::days(1)).await.unwrap().different, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_were_edited_are_named() {
    let past = Past::new().await;
    let row = past.archive("2024-02").await.remove(0);
    let id = past.customers[0].account.id;
    let attacks = [
        ("quantity = quantity + 1", "units"),
        ("amount_nanos = amount_nanos - 1", "nanos"),
        ("events = events + 1", "events"),
        ("model = 'another'", "events"),
        ("hour = hour + interval '1 hour'", "events"),
    ];
    for (edit, named) in attacks {
        past.db.execute_unprepared("CREATE TABLE kept AS TABLE usage_archived").await.unwrap();
        let first = format!("(SELECT min(hour) FROM usage_archived WHERE account_id = '{}')", id.0);
        let sql = format!("UPDATE usage_archived SET {edit} WHERE account_id = '{}' AND hour = {first}", id.0);
        past.db.execute_unprepared(&sql).await.unwrap();
        let found = archive::verify(&past.db, &past.archive, &row, &|_, _| ()).await.expect_err(edit);
        let Difference::Sums { account, what, .. } = &found else { panic!("{edit}: {found}") };
        assert!(*account == id && what.ends_with(named), "{edit}: {found}");
        let undo = "DELETE FROM usage_archived; INSERT INTO usage_archived SELECT * FROM kept; DROP TABLE kept";
        past.db.execute_unprepared(undo).await.unwrap();
        archive::verify(&past.db, &past.archive, &row, &|_, _| ()).await.expect(edit);
    }
    past.db.execute_unprepared(&format!("DELETE FROM usage_archived WHERE account_id = '{}'", id.0)).await.unwrap();
    let found = archive::verify(&past.db, &past.archive, &row, &|_, _| ()).await.expect_err("sums that are gone");
    assert!(matches!(found, Difference::Sums { account, .. } if account == id), "{found}");
}
