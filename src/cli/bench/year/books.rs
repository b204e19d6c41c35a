//! Whether everything that is written down agrees.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use entity::invoice::{self, DocumentState};
use entity::{invoice_document, invoice_line};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement,
};

use super::house::House;
use crate::billing::invoice::export::{self, Export};
use crate::billing::invoice::{audit, document, verify};
use crate::billing::{ledger, reconcile};
use crate::platform::queue;

/// Documents that are set anew: that takes longer than all else together.
const SET_ANEW: u64 = 20;

/// Checks all of it.
///
/// # Errors
/// The first thing that does not agree.
pub(super) async fn check(house: &House) -> anyhow::Result<()> {
    let db = &house.db;
    house.metering.limits.give_back(Duration::ZERO).await;
    let parked = queue::parked(db).await?;
    ensure!(parked.is_empty(), "work gave up: {:?}", parked.iter().map(|job| (&job.kind, &job.last_error)).collect::<Vec<_>>());
    let mut sums = BTreeMap::<String, i128>::new();
    for line in ledger::trial_balance(db).await? {
        *sums.entry(line.currency).or_default() += i128::from(line.nanos.0);
    }
    ensure!(sums.values().all(|sum| *sum == 0), "the ledger does not add up to zero: {sums:?}");
    let differences = reconcile::differences(db, None).await?;
    ensure!(differences.is_empty(), "{} accounts do not reconcile, first {}", differences.len(), differences[0]);
    closed_periods_are_invoiced(db).await?;
    let audited = audit::run(db, &house.archive, i64::MAX as u64, house.clock.now()).await?;
    ensure!(audited.different == 0 && audited.same > 0, "the audit found {audited:?}");
    exports_verify(house).await?;
    documents_are_the_same(house).await
}

async fn closed_periods_are_invoiced(db: &DatabaseConnection) -> anyhow::Result<()> {
    let sql = "SELECT count(*) AS n FROM period p WHERE p.state = 'closed' AND 1 <>
               (SELECT count(*) FROM invoice i WHERE i.period_id = p.id AND i.document_state <> 'void')";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("a count")?;
    let missing: i64 = row.try_get("", "n")?;
    ensure!(missing == 0, "{missing} closed periods have not exactly one invoice");
    Ok(())
}

/// As `lensmeter verify-invoice` does it, from the file alone.
async fn exports_verify(house: &House) -> anyhow::Result<()> {
    let db = &house.db;
    let ids = invoice::Entity::find().filter(invoice::Column::DocumentState.ne(DocumentState::Draft)).select_only();
    let ids = ids.column(invoice::Column::Id).column(invoice::Column::AccountId).into_tuple().all(db).await?;
    for (id, account) in ids {
        let exported = export::export(db, &house.archive, account, id).await?.context("an issued invoice is exported")?;
        let file = serde_json::to_string(&exported)?;
        let read: Export = serde_json::from_str(&file)?;
        verify::verify(&read).map_err(|difference| anyhow::anyhow!("invoice {id}: {difference}"))?;
        ensure!(serde_json::to_string(&read)? == file, "invoice {id} is not the same when it is read again");
    }
    Ok(())
}

async fn documents_are_the_same(house: &House) -> anyhow::Result<()> {
    let some = invoice_document::Entity::find().limit(SET_ANEW).all(&house.db).await?;
    ensure!(!some.is_empty(), "no document was set");
    for stored in some {
        let row = invoice::Entity::find_by_id(stored.invoice_id).one(&house.db).await?.context("a document has its invoice")?;
        // What stands on paper is how it was issued, whatever was paid since.
        let lines = invoice_line::Entity::of(&row).all(&house.db).await?;
        let again = document::render(house.seller.template.as_deref(), &row, &lines).await?;
        ensure!(again == stored.pdf, "the document of {} is another one now", row.id);
    }
    Ok(())
}
