//! The price catalogue: TOML files become immutable plan versions in the database.

mod apply;
mod catalogue;
mod diff;
mod file;
mod raw_price;

use entity::ids::{AccountId, PlanId};
use entity::{plan, plan_version, price, subscription};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use apply::{Applied, ApplyError, apply};
pub use catalogue::{CatalogueError, parse, read_file, read_folder};
pub use diff::{Change, PlanDiff, diff, rate_in_words};
pub use file::{PlanFile, PriceFile};

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
    let subscription = subscription::Entity::running(account).one(db).await?;
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
        .order_by_asc(price::Column::Model)
        // Made in the order of the file's places, so by size.
        .order_by_asc(price::Column::Id)
        .all(db)
        .await
}

/// All versions of a plan, the oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn versions_of(db: &impl ConnectionTrait, plan: PlanId) -> Result<Vec<plan_version::Model>, DbErr> {
    plan_version::Entity::find().filter(plan_version::Column::PlanId.eq(plan)).order_by_asc(plan_version::Column::Version).all(db).await
}

/// The newest versions of the plans in a currency that customers may choose, each with its code and prices, by fee.
///
/// # Errors
/// When the database refuses.
pub async fn listed(db: &impl ConnectionTrait, currency: &str) -> Result<Vec<(String, plan_version::Model, Vec<price::Model>)>, DbErr> {
    let mut listed = Vec::new();
    for plan in plan::Entity::find().order_by_asc(plan::Column::Code).all(db).await? {
        if let Some(version) = newest(db, &plan.code).await?.filter(|version| version.listed && version.currency == currency) {
            let prices = prices_of(db, &version).await?;
            listed.push((plan.code, version, prices));
        }
    }
    listed.sort_by_key(|(_, version, _)| version.base_fee_minor);
    Ok(listed)
}

/// The newest version of a plan in the database, as its file would say it.
///
/// # Errors
/// When the database refuses.
pub async fn newest_file(db: &impl ConnectionTrait, code: &str) -> Result<Option<PlanFile>, DbErr> {
    let Some(version) = newest(db, code).await? else { return Ok(None) };
    let prices = prices_of(db, &version).await?;
    Ok(Some(PlanFile::stored(code, &version, prices)))
}
