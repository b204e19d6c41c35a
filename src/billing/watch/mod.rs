//! The line to the payment provider: whether its webhooks come, whether it answers, whether its books and ours say the same.

pub mod compare;
pub mod poll;

use chrono::TimeDelta;
use entity::{Time, stripe_state};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait as _, Statement, Value};

/// What is told again within this time is not written again: a flood of webhooks, forged ones too, writes once.
const PRECISION: TimeDelta = TimeDelta::minutes(1);

/// Notes that a webhook was accepted; that some were refused before is over with it.
///
/// # Errors
/// When the database refuses.
pub async fn accepted_in(txn: &impl ConnectionTrait, now: Time) -> Result<(), DbErr> {
    let statement = "UPDATE stripe_state SET webhook_at = $1, refused_since = NULL, refused_at = NULL, refused_reason = NULL
                     WHERE webhook_at IS NULL OR webhook_at < $2 OR refused_since IS NOT NULL";
    write(txn, statement, [now.into(), (now - PRECISION).into()]).await
}

/// Notes that a webhook was refused that has the shape of the provider's: what an operator sees when a secret is wrong.
///
/// # Errors
/// When the database refuses.
pub async fn refused(db: &impl ConnectionTrait, reason: &str, now: Time) -> Result<(), DbErr> {
    metrics::counter!("lensmeter_stripe_webhooks_refused_total").increment(1);
    let statement = "UPDATE stripe_state SET refused_since = coalesce(refused_since, $1), refused_at = $1, refused_reason = $3
                     WHERE refused_at IS NULL OR refused_at < $2 OR refused_reason IS DISTINCT FROM $3";
    write(db, statement, [now.into(), (now - PRECISION).into(), reason.into()]).await
}

/// How the line is.
///
/// # Errors
/// When the database refuses.
pub async fn state(db: &impl ConnectionTrait) -> Result<stripe_state::Model, DbErr> {
    let row = stripe_state::Entity::find_by_id(true).one(db).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the state of the line to the payment provider".into()))
}

async fn write(db: &impl ConnectionTrait, statement: &str, values: impl IntoIterator<Item = Value>) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await.map(|_| ())
}
