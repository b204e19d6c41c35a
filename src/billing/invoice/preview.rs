//! The next invoice as it would be if the period ended now: composed by the same code.

use entity::money::Minor;
use entity::{Time, account, period};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, QueryFilter as _};

use super::compose;
use super::draft::DraftError;
use super::line::Line;
use super::snapshot::{self, Discount};
use crate::billing::tax::Tax;
use crate::platform::config::Seller;

/// What the next invoice would say.
#[derive(Debug, Clone)]
pub struct Preview {
    pub lines: Vec<Line>,
    pub subtotal: Minor,
    pub discounts: Vec<Discount>,
    pub tax: Option<Tax>,
    pub credits_applied: Minor,
    /// What earlier invoices left; below zero in the customer's favour.
    pub carried_in: Minor,
    /// What it would leave for the next.
    pub carried_out: Minor,
    pub total: Minor,
    /// In the account's own time, the end excluded.
    pub period: (Time, Time),
}

/// Previews the open period; `None` while the account has none.
///
/// # Errors
/// When the database refuses, or the books disagree.
pub async fn preview(db: &DatabaseConnection, account: &account::Model, seller: &Seller) -> Result<Option<Preview>, DbErr> {
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let Some(period) = open else { return Ok(None) };
    match of(db, account, &period, seller).await {
        Ok(preview) => Ok(Some(preview)),
        Err(DraftError::Database(error)) => Err(error),
        Err(other) => Err(DbErr::Custom(other.to_string())),
    }
}

/// Previews a period as it is given: the open one, or one that is cut short by what is being considered.
///
/// # Errors
/// See [`DraftError`].
pub async fn of(
    db: &impl ConnectionTrait,
    account: &account::Model,
    period: &period::Model,
    seller: &Seller,
) -> Result<Preview, DraftError> {
    let composed = compose::compose(db, account, period, seller).await?;
    let discounts = snapshot::discounts(&composed.terms, &composed.totals);
    let totals = composed.totals;
    Ok(Preview {
        lines: composed.charges.lines,
        subtotal: totals.subtotal,
        discounts,
        tax: totals.tax,
        credits_applied: totals.credits_applied,
        carried_in: totals.carried_in,
        carried_out: totals.carried_out,
        total: totals.total,
        period: (period.starts_at, period.ends_at),
    })
}
