//! The PDF, the export, and computing an invoice again.

use std::io::Write as _;
use std::process::{Command, Stdio};

use entity::invoice_line;
use entity::money::Nanos;
use entity::{account, mail, mail_attachment};
use lensmeter::billing::invoice::export::{self, Export};
use lensmeter::billing::invoice::verify::{Difference, verify};
use lensmeter::billing::invoice::{self, document};
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::{end_period, use_images};
use crate::support::{db, make};

/// What a reader of the PDF sees.
fn text_of(pdf: &[u8]) -> String {
    let mut reader =
        Command::new("pdftotext").args(["-layout", "-", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("pdftotext");
    reader.stdin.take().expect("piped").write_all(pdf).expect("written");
    String::from_utf8(reader.wait_with_output().expect("read").stdout).expect("UTF-8")
}

/// A paying customer who used 10 002 images, across the boundary of the tiers.
async fn exported(db: &DatabaseConnection) -> (account::Model, entity::invoice::Model, Export) {
    let account = make::account(db).await;
    make::credit(db, &account, Nanos(50_000_000_000)).await;
    use_images(db, &account, 10_002, make::start()).await;
    let (invoice, _) = end_period(db, &account).await;
    let export = export::export(db, &make::archive(), account.id, invoice.id).await.expect("the database").expect("the invoice");
    (account, invoice, export)
}

#[tokio::test]
async fn the_document_says_what_an_accountant_needs_and_is_the_same_each_time() {
    let db = db::fresh().await;
    let (account, issued, _) = exported(&db).await;
    let pdf = invoice::pdf(&*db, account.id, issued.id).await.unwrap().expect("a document");
    let text = text_of(&pdf);
    let number = issued.number.clone().unwrap();
    for part in [
        number.as_str(),
        "Lensmeter Example GmbH",
        "DE123456789",
        "Ada & Sons",
        "2026-12-20",
        "2026-11-20",
        "10,000",
        "0.0015",
        "0.001",
        "15.00",
        "20.00",
        "5.00 USD",
        "verify-invoice",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let lines = invoice_line::Entity::of(&issued).all(&*db).await.unwrap();
    assert_eq!(document::render(None, &issued, &lines).await.unwrap(), pdf, "the same rows, the same bytes");
    let other = make::account(&db).await;
    assert_eq!(invoice::pdf(&*db, other.id, issued.id).await.unwrap(), None, "another customer sees nothing");
}

#[tokio::test]
async fn an_export_adds_up_and_a_changed_event_is_named() {
    let db = db::fresh().await;
    let (_, _, export) = exported(&db).await;
    assert_eq!(verify(&export).unwrap().events, 10_002);
    let text = serde_json::to_string(&export).unwrap();
    assert_eq!(verify(&serde_json::from_str(&text).unwrap()).unwrap().lines, 2, "through a file as well");

    let victim = export.events[4_711].id.clone();
    let changed = |change: fn(&mut lensmeter::billing::invoice::record::EventRecord)| {
        let mut export = export.clone();
        change(&mut export.events[4_711]);
        verify(&export).unwrap_err()
    };
    for difference in [
        changed(|event| event.amount_nanos += 1),
        changed(|event| event.quantity = 2),
        changed(|event| event.at += chrono::TimeDelta::seconds(1)),
    ] {
        assert!(matches!(&difference, Difference::Event { id, .. } if *id == victim), "{difference}");
    }
    // A liar who fixes the event's own digest as well is caught by the line.
    let careful = changed(|event| {
        event.at += chrono::TimeDelta::seconds(1);
        event.sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(event.canonical()));
    });
    assert!(matches!(&careful, Difference::Line { what: "digest of its events", .. }), "{careful}");
}

#[tokio::test]
async fn the_command_checks_a_file_and_names_what_differs() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 3, make::start()).await;
    let (invoice, _) = end_period(&db, &account).await;
    let mut export = export::export(&db, &make::archive(), account.id, invoice.id).await.unwrap().unwrap();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.json", invoice.id));
    let check = |export: &Export| {
        std::fs::write(&file, serde_json::to_vec(export).unwrap()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_lensmeter")).arg("verify-invoice").arg(&file).output().expect("the program runs")
    };
    let right = check(&export);
    assert!(right.status.success() && String::from_utf8_lossy(&right.stdout).contains("3 events"), "{right:?}");
    export.events[1].amount_nanos += 1;
    let wrong = check(&export);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains(&export.events[1].id), "{wrong:?}");
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_missing_event_and_a_changed_total_are_found() {
    let db = db::fresh().await;
    let (_, _, export) = exported(&db).await;
    let mut missing = export.clone();
    let next = missing.events[101].id.clone();
    missing.events.remove(100);
    assert!(matches!(verify(&missing).unwrap_err(), Difference::Event { id, what: "quantity_before", .. } if id == next));
    let mut total = export.clone();
    total.total_minor += 1;
    assert!(matches!(verify(&total).unwrap_err(), Difference::Total { what: "total", .. }));
    let mut line = export;
    line.lines[1].amount_minor -= 1;
    assert!(matches!(verify(&line).unwrap_err(), Difference::Line { what: "amount", .. }));
}

#[tokio::test]
async fn a_trial_with_usage_is_mailed_and_one_without_is_only_filed() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let (empty, _) = end_period(&db, &account).await;
    assert_eq!(mail::Entity::find().all(&*db).await.unwrap().len(), 0);
    assert!(text_of(&invoice::pdf(&*db, account.id, empty.id).await.unwrap().unwrap()).contains("nothing is due"));
    use_images(&db, &account, 1, make::start()).await;
    let (used, _) = end_period(&db, &account).await;
    let mails = mail::Entity::find().all(&*db).await.unwrap();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.contains(used.number.as_deref().unwrap()) && mails[0].text_body.contains("0.00 USD"), "{:?}", mails[0]);
    let attached = mail_attachment::Entity::find().all(&*db).await.unwrap();
    assert_eq!(attached[0].filename, format!("{}.pdf", used.number.unwrap()));
    assert!(attached[0].content.starts_with(b"%PDF-"));
}
