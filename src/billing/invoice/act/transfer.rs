//! Money for an invoice that came another way than through Stripe, as an operator saw.

use entity::ids::{InvoiceId, PaymentId};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::Minor;
use entity::payment::{self, Method};
use entity::{Time, invoice};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _, TransactionTrait as _};
use serde_json::json;

use super::{ActError, Why, find, lock_in, standing, withdraw};
use crate::billing::dunning;
use crate::billing::invoice::draft::DraftError;
use crate::billing::ledger::{self, Booking};
use crate::billing::provider::Provider;
use crate::platform::db;

/// Notes a transfer. `reference` is the bank's, and known once. Stripe's copy is withdrawn: what is left comes the same way.
///
/// # Errors
/// When the amount is above what is to pay, or the reference is known.
pub async fn note(
    db: &DatabaseConnection,
    stripe: &Provider,
    id: InvoiceId,
    (amount, reference): (Minor, &str),
    why: Why<'_>,
    wall_now: Time,
) -> Result<invoice::Model, ActError> {
    why.check()?;
    let known = find(db, id).await?;
    check(&known, amount, reference)?;
    withdraw(stripe, &known).await?;
    let txn = db.begin().await?;
    let (account, invoice) = lock_in(&txn, &known).await?;
    check(&invoice, amount, reference)?;
    let (now, key) = (account.now(wall_now), format!("transfer:{reference}"));
    let row = payment::ActiveModel {
        id: Set(PaymentId::new()),
        account_id: Set(account.id),
        invoice_id: Set(invoice.id),
        stripe_payment_reference: Set(key.clone()),
        amount_minor: Set(amount),
        at: Set(now),
        refunded_minor: Set(Minor(0)),
        method: Set(Method::Transfer),
    };
    payment::Entity::insert(row).exec_without_returning(&txn).await.map_err(|error| {
        if db::is_unique_violation(&error) { ActError::Conflict("this reference was noted before") } else { error.into() }
    })?;
    let (debit, credit) = ((None, Code::Cash), (Some(account.id), Code::Receivable));
    let nanos = amount.nanos(account.exponent()).map_err(DraftError::from)?;
    let booking = Booking { kind: "payment", reference: &key, debit, credit, currency: &invoice.currency, amount: nanos, at: now };
    ledger::post_in(&txn, booking).await?;
    let whole = amount == invoice.due();
    let change = invoice::ActiveModel {
        id: Set(invoice.id),
        paid_minor: Set(Minor(invoice.paid_minor.0 + amount.0)),
        payment_state: Set(if whole { PaymentState::Paid } else { PaymentState::Partial }),
        paid_at: Set(whole.then_some(now)),
        ..Default::default()
    };
    let invoice = invoice::Entity::update(change).exec(&txn).await?;
    dunning::restore_in(&txn, &account, wall_now).await?;
    let subject = invoice.id.to_string();
    let detail = json!({ "amount": amount.decimal(account.exponent()), "currency": invoice.currency, "reference": reference });
    why.note_in(&txn, account.id, ("invoice.transfer", &subject), detail, wall_now).await?;
    txn.commit().await?;
    Ok(invoice)
}

fn check(invoice: &invoice::Model, amount: Minor, reference: &str) -> Result<(), ActError> {
    standing(invoice)?;
    if amount.0 <= 0 {
        return Err(ActError::Conflict("expected more than nothing"));
    }
    if amount > invoice.due() {
        return Err(ActError::Amount { what: "what is still to pay", most: invoice.due(), currency: invoice.currency.clone() });
    }
    if reference.trim().is_empty() || reference.chars().count() > 200 {
        return Err(ActError::State { found: "without a reference", advice: "the bank's reference has 1 to 200 letters" });
    }
    Ok(())
}
