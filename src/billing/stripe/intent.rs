//! What is asked of Stripe is noted first (docs/decisions/0028). After a crash, a lost answer or a stored failure the note says
//! under which key and with which bytes it goes out again, and when a look at what the last one left has to come first.

use std::future::Future;

use chrono::TimeDelta;
use entity::Time;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, FromQueryResult, Statement};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest};

use super::Stripe;
use crate::billing::provider::ProviderError;

/// Stripe forgets a key after 24 hours at the earliest; what is on its way needs some of them.
const KEY_LIFE: TimeDelta = TimeDelta::hours(20);

/// The note, as it stands for the call that follows.
#[derive(Debug, FromQueryResult)]
struct Intent {
    attempt: i32,
    body: String,
}

impl Stripe {
    /// Does what `request` says, once for `key`, however often it is asked, whatever became of the answers. The first request
    /// under the key is the one that counts: later ones may differ, as data changes. `earlier` is a look at what an attempt
    /// whose key is gone may have left; it is only taken when there was one.
    pub(super) fn once<'a, T: miniserde::Deserialize + Send + 'a>(
        &'a self,
        db: &'a DatabaseConnection,
        key: String,
        request: impl StripeRequest<Output = T>,
        earlier: impl Future<Output = Result<Option<T>, ProviderError>> + Send + 'a,
        wall_now: Time,
    ) -> BoxFuture<'a, Result<T, ProviderError>> {
        // Built here, and the rest in a box: the generated types are tens of kilobytes, which every caller would carry along.
        let mut request = request.build();
        Box::pin(async move {
            let intent = open(db, &key, request.body.as_deref().unwrap_or_default(), wall_now).await?;
            if intent.attempt > 1
                && let Some(left) = earlier.await?
            {
                return Ok(left);
            }
            request.body = Some(intent.body).filter(|body| !body.is_empty());
            let full = if intent.attempt == 1 { key.clone() } else { format!("{key}:again{}", intent.attempt) };
            let strategy = IdempotencyKey::new(full).map_err(|error| ProviderError::Decode(error.to_string()))?;
            let sent = request.customize().request_strategy(RequestStrategy::Idempotent(strategy)).send(self).await;
            if sent.as_ref().is_err_and(ProviderError::spoils_its_key) {
                spoil(db, &key, intent.attempt).await?;
            }
            sent
        })
    }
}

/// Notes the call before it is made. One statement, so that of two workers at once one begins a new attempt, and both send the
/// same.
async fn open(db: &DatabaseConnection, key: &str, body: &str, wall_now: Time) -> Result<Intent, DbErr> {
    let statement = "INSERT INTO stripe_intent AS i (key, body, sent_at, first_sent_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (key) DO UPDATE SET
             attempt = i.attempt + CASE WHEN i.spoilt OR i.sent_at < $4 THEN 1 ELSE 0 END,
             body = CASE WHEN i.spoilt OR i.sent_at < $4 THEN $2 ELSE i.body END,
             sent_at = CASE WHEN i.spoilt OR i.sent_at < $4 THEN $3 ELSE i.sent_at END,
             spoilt = false
         RETURNING attempt, body";
    let values = [key.into(), body.into(), wall_now.into(), (wall_now - KEY_LIFE).into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await?;
    Intent::from_query_result(&row.ok_or_else(|| DbErr::RecordNotFound(format!("intent {key}")))?, "")
}

/// When Stripe was first asked under the key; `None`: never.
pub(super) async fn first_sent_at(db: &DatabaseConnection, key: &str) -> Result<Option<Time>, DbErr> {
    let statement = "SELECT first_sent_at FROM stripe_intent WHERE key = $1";
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, [key.into()])).await?;
    row.map(|row| row.try_get("", "first_sent_at")).transpose()
}

/// The next call under the key begins a new attempt; unless another worker began it already.
async fn spoil(db: &DatabaseConnection, key: &str, attempt: i32) -> Result<(), DbErr> {
    let statement = "UPDATE stripe_intent SET spoilt = true WHERE key = $1 AND attempt = $2";
    let values = [key.into(), attempt.into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await.map(|_| ())
}

/// Forgets the bytes of calls whose key is gone: they may name people. The notes stay, however late a job comes back.
///
/// # Errors
/// When the database refuses.
pub async fn forget(db: &DatabaseConnection, wall_now: Time) -> Result<(), DbErr> {
    let statement = "UPDATE stripe_intent SET body = '' WHERE body <> '' AND sent_at < $1";
    let values = [(wall_now - TimeDelta::days(2)).into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await.map(|_| ())
}
