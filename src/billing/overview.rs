//! What a customer sees of their billing at a glance.

use std::time::Duration;

use entity::credit_grant::{self, Kind};
use entity::money::{Minor, Nanos};
use entity::price::{Meter, Rate};
use entity::{Time, account, balance, period, usage_rollup};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, QueryFilter as _};

use super::plan;
use super::provider::{self, Card, Provider};

/// How long a page waits for the provider.
const CARD_PATIENCE: Duration = Duration::from_secs(2);

/// Plan, period, credit and spend of an account.
#[derive(Debug, Clone)]
pub struct Overview {
    pub plan_name: String,
    pub plan_description: String,
    /// Per month, once the account is no trial any more.
    pub base_fee: Minor,
    pub prices: Vec<PriceView>,
    /// In the account's own time, the end excluded.
    pub period: (Time, Time),
    /// Credit that is left.
    pub remaining: Nanos,
    /// What of it cannot be spent, because its payment is disputed.
    pub frozen: Nanos,
    pub spent_this_period: Nanos,
    pub events_this_period: i64,
    /// True until the first paid top-up: no base fee is due.
    pub trial: bool,
}

/// One price for people.
#[derive(Debug, Clone)]
pub struct PriceView {
    /// `None`: every task that has no price of its own.
    pub task: Option<String>,
    pub description: String,
    pub meter: Meter,
    pub rate: Rate,
}

/// The overview; `None` before the account subscribed.
///
/// # Errors
/// When the database refuses.
pub async fn overview(db: &DatabaseConnection, account: &account::Model) -> Result<Option<Overview>, DbErr> {
    let Some((version, prices)) = plan::current(db, account.id).await? else { return Ok(None) };
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let Some(period) = open else { return Ok(None) };
    let balance = balance::Entity::credit_of(account.id).one(db).await?;
    let rollups = usage_rollup::Entity::of(account.id).filter(usage_rollup::Column::PeriodId.eq(period.id)).all(db).await?;
    let spent = rollups
        .iter()
        .try_fold(Nanos(0), |sum, row| sum.checked_add(row.amount_nanos))
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    let paid = credit_grant::Entity::of(account.id).filter(credit_grant::Column::Kind.eq(Kind::Paid)).one(db).await?;
    let view = |price: entity::price::Model| PriceView {
        rate: price.rate(),
        meter: price.meter,
        description: price.described(),
        task: price.task,
    };
    Ok(Some(Overview {
        plan_name: version.name,
        plan_description: version.description,
        base_fee: version.base_fee_minor,
        prices: prices.into_iter().map(view).collect(),
        period: (period.starts_at, period.ends_at),
        frozen: balance.as_ref().map(balance::Model::frozen).unwrap_or_default(),
        remaining: balance.map(|balance| balance.remaining()).unwrap_or_default(),
        spent_this_period: spent,
        events_this_period: rollups.iter().map(|row| row.events).sum(),
        trial: paid.is_none(),
    }))
}

/// The card that invoices are charged to. Asked of the provider, which keeps it; a page is shown without it rather than late or
/// not at all.
pub async fn card(stripe: &Provider, account: &account::Model) -> Option<Card> {
    let customer = account.stripe_customer_id.as_deref()?;
    match tokio::time::timeout(CARD_PATIENCE, provider::card::default(stripe, customer)).await {
        Ok(Ok(card)) => card,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the saved card could not be read: {error}");
            None
        }
        Err(_) => None,
    }
}
