//! The price catalogue: TOML files become immutable plan versions in the database.

mod apply;
mod catalogue;
mod diff;

use entity::ids::AccountId;
use entity::{plan, plan_version, price, subscription};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use apply::{Applied, apply};
pub use catalogue::{CatalogueError, PlanFile, PriceFile, parse, read_folder};
pub use diff::{Change, diff};

/// The plan of an account that chose none.
pub const DEFAULT_PLAN: &str = "standard";

/// The newest version of a plan, for new subscribers.
///
/// # Errors
/// When the database refuses.
pub async fn newest(db: &impl ConnectionTrait, code: &str) -> Result<Option<plan_version::Model>, DbErr> {
    let Some(plan) = plan::Entity::find().filter(plan::Column::Code.eq(code)).one(db).await? else { return Ok(None) };
    plan_version::Entity::find().filter(plan_version::Column::PlanId.eq(plan.id)).order_by_desc(plan_version::Column::Version).one(db).await
}

/// The plan version an account is on now, with its prices; `None` before it has a subscription.
///
/// # Errors
/// When the database refuses.
pub async fn current(db: &impl ConnectionTrait, account: AccountId) -> Result<Option<(plan_version::Model, Vec<price::Model>)>, DbErr> {
    let subscription = subscription::Entity::of(account).filter(subscription::Column::EndedAt.is_null()).one(db).await?;
    let Some(subscription) = subscription else { return Ok(None) };
    let Some(version) = plan_version::Entity::find_by_id(subscription.plan_version_id).one(db).await? else { return Ok(None) };
    let prices = prices_of(db, &version).await?;
    Ok(Some((version, prices)))
}

/// The prices of a plan version, in a fixed order.
///
/// # Errors
/// When the database refuses.
pub async fn prices_of(db: &impl ConnectionTrait, version: &plan_version::Model) -> Result<Vec<price::Model>, DbErr> {
    price::Entity::find()
        .filter(price::Column::PlanVersionId.eq(version.id))
        .order_by_asc(price::Column::Task)
        .order_by_asc(price::Column::Meter)
        .all(db)
        .await
}
