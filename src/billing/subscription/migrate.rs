//! Moving the subscribers of old versions of a plan to the newest.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::billing::plan;

/// Lets every subscriber of an older version of the plan get the newest when their period ends, but those who wish for
/// something else by then. Returns how many; `None` when there is no such plan.
///
/// # Errors
/// When the database refuses.
pub async fn migrate(db: &impl ConnectionTrait, code: &str) -> Result<Option<u64>, DbErr> {
    let Some(newest) = plan::newest(db, code).await? else { return Ok(None) };
    let sql = "UPDATE subscription s SET at_period_end = 'change', next_plan_version_id = $2 FROM plan_version v
               WHERE v.id = s.plan_version_id AND v.plan_id = $1 AND v.id <> $2 AND s.ended_at IS NULL AND s.at_period_end IS NULL";
    let values = [newest.plan_id.0.into(), newest.id.0.into()];
    let done = db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    Ok(Some(done.rows_affected()))
}
