//! Writes the catalogue into the database: a changed plan becomes a new version, an unchanged one stays.

use entity::ids::{PlanId, PlanVersionId};
use entity::{Time, plan, plan_version, price};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    TransactionTrait as _,
};

use super::file::PlanFile;

/// What became of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub code: String,
    /// The version that new subscribers get.
    pub version: i32,
    /// False: the plan was already so.
    pub changed: bool,
}

/// Why a plan cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("plan {code}: currency: expected {known} as in version {version}, found {found}; another currency is another plan")]
    Currency { code: String, version: i32, known: String, found: String },
    /// Somebody went around the trigger.
    #[error("plan {code}: version {version} was changed in the database: its rows are not those that it was made of")]
    Tampered { code: String, version: i32 },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Applies all plans in one transaction. Subscribers keep the version that they are on.
///
/// # Errors
/// See [`ApplyError`]; nothing is then changed.
pub async fn apply(db: &DatabaseConnection, plans: Vec<PlanFile>, now: Time) -> Result<Vec<Applied>, ApplyError> {
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

async fn apply_in(txn: &impl ConnectionTrait, file: PlanFile, now: Time) -> Result<Applied, ApplyError> {
    let newest = super::newest(txn, &file.code).await?;
    if let Some(version) = &newest {
        check(txn, version, &file).await?;
    }
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
        billing: Set(file.billing),
        trial_days: Set(file.trial_days),
        listed: Set(file.listed),
        created_at: Set(now),
    })
    .exec_without_returning(txn)
    .await?;
    for price in file.prices {
        price::Entity::insert(price::ActiveModel::from(price.row(version))).exec_without_returning(txn).await?;
    }
    Ok(Applied { code: file.code, version: number, changed: true })
}

/// Whether the file can follow the newest version.
pub(super) async fn check(db: &impl ConnectionTrait, newest: &plan_version::Model, file: &PlanFile) -> Result<(), ApplyError> {
    let (code, version) = (file.code.clone(), newest.version);
    if PlanFile::stored(&code, newest, super::prices_of(db, newest).await?).digest() != newest.digest {
        return Err(ApplyError::Tampered { code, version });
    }
    if newest.currency != file.currency {
        let (known, found) = (newest.currency.clone(), file.currency.clone());
        return Err(ApplyError::Currency { code, version, known, found });
    }
    Ok(())
}

async fn plan_of(txn: &impl ConnectionTrait, code: &str) -> Result<PlanId, DbErr> {
    if let Some(plan) = plan::Entity::find().filter(plan::Column::Code.eq(code)).one(txn).await? {
        return Ok(plan.id);
    }
    let id = PlanId::new();
    plan::Entity::insert(plan::ActiveModel { id: Set(id), code: Set(code.into()) }).exec_without_returning(txn).await?;
    Ok(id)
}
