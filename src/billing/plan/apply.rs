//! Writes the catalogue into the database: a changed plan becomes a new version, an unchanged one stays.

use entity::ids::{PlanId, PlanVersionId, PriceId};
use entity::{Time, plan, plan_version, price};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    TransactionTrait as _,
};

use super::catalogue::{PlanFile, PriceFile};

/// What became of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub code: String,
    /// The version that new subscribers get.
    pub version: i32,
    /// False: the plan was already so.
    pub changed: bool,
}

/// Applies all plans in one transaction. Subscribers keep the version that they are on.
///
/// # Errors
/// When the database refuses; nothing is then changed.
pub async fn apply(db: &DatabaseConnection, plans: Vec<PlanFile>, now: Time) -> Result<Vec<Applied>, DbErr> {
    let txn = db.begin().await?;
    // Two replicas that start together: the second waits, looks again and finds nothing to do.
    txn.execute_unprepared("LOCK TABLE plan IN SHARE ROW EXCLUSIVE MODE").await?;
    let mut applied = Vec::new();
    for file in plans {
        applied.push(apply_in(&txn, file, now).await?);
    }
    txn.commit().await?;
    Ok(applied)
}

async fn apply_in(txn: &impl ConnectionTrait, file: PlanFile, now: Time) -> Result<Applied, DbErr> {
    let newest = super::newest(txn, &file.code).await?;
    if let Some(version) = newest.as_ref().filter(|version| version.digest == file.digest()) {
        return Ok(Applied { code: file.code, version: version.version, changed: false });
    }
    let number = newest.map_or(1, |version| version.version + 1);
    let version = PlanVersionId::new();
    plan_version::Entity::insert(plan_version::ActiveModel {
        id: Set(version),
        plan_id: Set(plan_of(txn, &file.code).await?),
        version: Set(number),
        digest: Set(file.digest()),
        name: Set(file.name),
        description: Set(file.description),
        currency: Set(file.currency),
        base_fee_minor: Set(file.base_fee),
        signup_credit_nanos: Set(file.signup_credit),
        requests_per_minute: Set(file.requests_per_minute),
        weight: Set(file.weight),
        created_at: Set(now),
    })
    .exec_without_returning(txn)
    .await?;
    for PriceFile { meter, task, description, tiers, cached } in file.prices {
        price::Entity::insert(price::ActiveModel {
            id: Set(PriceId::new()),
            plan_version_id: Set(version),
            meter: Set(meter),
            task: Set(task),
            description: Set(description),
            tiers: Set(tiers),
            cached: Set(cached),
        })
        .exec_without_returning(txn)
        .await?;
    }
    Ok(Applied { code: file.code, version: number, changed: true })
}

async fn plan_of(txn: &impl ConnectionTrait, code: &str) -> Result<PlanId, DbErr> {
    if let Some(plan) = plan::Entity::find().filter(plan::Column::Code.eq(code)).one(txn).await? {
        return Ok(plan.id);
    }
    let id = PlanId::new();
    plan::Entity::insert(plan::ActiveModel { id: Set(id), code: Set(code.into()) }).exec_without_returning(txn).await?;
    Ok(id)
}
