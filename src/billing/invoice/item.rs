//! One-off items: what an operator adds to the next invoice of an account, or takes off it.

use entity::ids::{AccountId, InvoiceItemId};
use entity::invoice_item::{self, Kind};
use entity::money::Minor;
use entity::{Time, account};
use sea_orm::sea_query::LockType;
use sea_orm::{DatabaseConnection, EntityTrait as _, QuerySelect as _, TransactionTrait as _};
use serde_json::json;

use super::act::{ActError, Why};
use super::draft::DraftError;

/// The most that one item may be, in minor units: a typing error is found by its customer else.
pub const MOST: Minor = Minor(100_000_000);

/// An item to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    pub description: &'a str,
    pub quantity: i64,
    /// Of one; below zero it is given back.
    pub unit: Minor,
}

/// Adds an item, which stands on the invoice of the account's open period.
///
/// # Errors
/// When the description or the amount is out of bounds, with the field.
pub async fn add(
    db: &DatabaseConnection,
    id: AccountId,
    new: NewItem<'_>,
    why: Why<'_>,
    wall_now: Time,
) -> Result<invoice_item::Model, ActError> {
    why.check()?;
    let amount =
        new.unit.0.checked_mul(new.quantity).map(Minor).filter(|amount| amount.0 != 0 && amount.0.unsigned_abs() <= MOST.0.unsigned_abs());
    let amount = amount
        .filter(|_| (1..=1_000_000).contains(&new.quantity))
        .ok_or(ActError::Conflict("expected one that is not zero, and at most 1,000,000.00"))?;
    let description = new.description.trim();
    if !(1..=500).contains(&description.chars().count()) {
        return Err(ActError::Description);
    }
    let txn = db.begin().await?;
    // Race: the invoice that is being made of the period takes it or does not, never half.
    let account = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?.ok_or(ActError::Unknown)?;
    let (now, exponent) = (account.now(wall_now), account.exponent());
    let item = invoice_item::Model {
        id: InvoiceItemId::new(),
        account_id: id,
        kind: Kind::OneOff,
        description: description.into(),
        quantity: new.quantity,
        unit_nanos: new.unit.nanos(exponent).map_err(DraftError::from)?,
        amount_nanos: amount.nanos(exponent).map_err(DraftError::from)?,
        currency: account.currency.clone(),
        starts_at: now,
        ends_at: now,
        created_at: now,
        created_by: why.actor.into(),
        invoice_id: None,
    };
    invoice_item::Entity::insert(invoice_item::ActiveModel::from(item.clone())).exec_without_returning(&txn).await?;
    let detail = json!({ "description": description, "amount": amount.decimal(exponent), "currency": account.currency });
    let subject = item.id.to_string();
    why.note_in(&txn, id, ("invoice_item.add", &subject), detail, wall_now).await?;
    txn.commit().await?;
    Ok(item)
}
