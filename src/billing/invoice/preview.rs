//! The next invoice as it would be if the period ended now.

use entity::money::{Minor, Nanos};
use entity::{Time, account, period, usage_rollup};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, QueryFilter as _};

use super::line::{self, Line};
use crate::billing::{credit, plan};

/// What the next invoice would say.
#[derive(Debug, Clone)]
pub struct Preview {
    pub lines: Vec<Line>,
    pub subtotal: Minor,
    pub credits_applied: Minor,
    pub total: Minor,
    /// In the account's own time, the end excluded.
    pub period: (Time, Time),
}

/// Previews the open period; `None` before the account subscribed.
///
/// # Errors
/// When the database refuses.
pub async fn preview(db: &DatabaseConnection, account: &account::Model) -> Result<Option<Preview>, DbErr> {
    let Some((version, prices)) = plan::current(db, account.id).await? else { return Ok(None) };
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let Some(period) = open else { return Ok(None) };
    let overflow = |error: entity::money::Overflow| DbErr::Custom(error.to_string());
    let exponent = account.exponent();
    let mut lines = Vec::new();
    if version.base_fee_minor.0 > 0 && credit::had_paid_before(db, account.id, period.ends_at).await? {
        lines.push(Line::base_fee(&version.name, version.base_fee_minor, exponent).map_err(overflow)?);
    }
    let rollups = usage_rollup::Entity::of(account.id).filter(usage_rollup::Column::PeriodId.eq(period.id)).all(db).await?;
    for price in prices {
        let own = || rollups.iter().filter(|row| row.price_id == price.id);
        let counts = (own().map(|row| row.quantity).sum(), own().map(|row| row.events).sum());
        if counts.1 > 0 {
            let exact = own().try_fold(Nanos(0), |sum, row| sum.checked_add(row.amount_nanos)).map_err(overflow)?;
            lines.push(Line::usage(price.description.clone(), price.id, counts, exact, Vec::new(), exponent).map_err(overflow)?);
        }
    }
    let totals = line::totals(&lines, credit::unburnt(db, account.id).await?, exponent).map_err(overflow)?;
    Ok(Some(Preview {
        lines,
        subtotal: totals.subtotal,
        credits_applied: totals.credits_applied,
        total: totals.total,
        period: (period.starts_at, period.ends_at),
    }))
}
