//! Giving up what will never be paid.

use entity::ids::InvoiceId;
use entity::invoice::DocumentState;
use entity::ledger_account::Code;
use entity::{Time, invoice};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _, TransactionTrait as _};
use serde_json::json;

use super::{ActError, Why, find, lock_in, standing, withdraw};
use crate::billing::dunning;
use crate::billing::invoice::draft::DraftError;
use crate::billing::ledger::{self, Booking};
use crate::billing::provider::Provider;

/// Writes off what is still to pay of an invoice. The account owes it no more, so that it may be restored.
///
/// # Errors
/// When nothing is to pay.
pub async fn write_off(
    db: &DatabaseConnection,
    stripe: &Provider,
    id: InvoiceId,
    why: Why<'_>,
    wall_now: Time,
) -> Result<invoice::Model, ActError> {
    why.check()?;
    let known = find(db, id).await?;
    check(&known)?;
    withdraw(stripe, &known).await?;
    let txn = db.begin().await?;
    let (account, invoice) = lock_in(&txn, &known).await?;
    check(&invoice)?;
    let (due, now, subject) = (invoice.due(), account.now(wall_now), invoice.id.to_string());
    let change = invoice::ActiveModel { id: Set(invoice.id), document_state: Set(DocumentState::Uncollectible), ..Default::default() };
    let invoice = invoice::Entity::update(change).exec(&txn).await?;
    let booking = Booking {
        kind: "write_off",
        reference: &subject,
        debit: (None, Code::BadDebt),
        credit: (Some(account.id), Code::Receivable),
        currency: &invoice.currency,
        amount: due.nanos(account.exponent()).map_err(DraftError::from)?,
        at: now,
    };
    ledger::post_in(&txn, booking).await?;
    dunning::restore_in(&txn, &account, wall_now).await?;
    let detail = json!({ "number": invoice.number, "amount": due.decimal(account.exponent()), "currency": invoice.currency });
    why.note_in(&txn, account.id, ("invoice.write_off", &subject), detail, wall_now).await?;
    txn.commit().await?;
    Ok(invoice)
}

fn check(invoice: &invoice::Model) -> Result<(), ActError> {
    standing(invoice)?;
    if invoice.due().0 == 0 {
        return Err(ActError::State { found: invoice.payment_state.as_str(), advice: "nothing is to pay" });
    }
    Ok(())
}
