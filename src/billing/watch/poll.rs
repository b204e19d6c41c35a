//! The provider's own list of what happened, into the inbox of the webhooks: what none of these told comes this way.

use chrono::TimeDelta;
use entity::Time;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{state, write};
use crate::billing::provider::{Provider, ProviderError, books, intent};
use crate::billing::sync;
use crate::platform::queue::Job;

/// Asks for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct PollEvents {}

impl Job for PollEvents {
    const KIND: &'static str = "billing.poll_events";
}

/// Events appear in the list some time after the second that they carry.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How far the first poll looks back: as long as webhooks are tried.
const FIRST: TimeDelta = TimeDelta::days(3);

/// Runs [`PollEvents`] and returns how many events no webhook had told. The watermark moves when all of them are stored.
///
/// # Errors
/// When the provider or the database does not answer, which the state of the line then says.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, live: bool, wall_now: Time) -> Result<usize, ProviderError> {
    let from = state(db).await?.polled_to.unwrap_or(wall_now - FIRST) - OVERLAP;
    match books::events_since(stripe, from).await {
        Ok(events) => {
            let mut new = 0;
            for notice in events.into_iter().filter(|notice| notice.livemode == live && !notice.foreign) {
                let txn = db.begin().await?;
                // What is believed of an event is its object's id alone, so nothing more of it is kept.
                let payload = json!({ "id": notice.event_id, "type": notice.kind, "polled": true });
                new += usize::from(sync::receive_in(&txn, &notice, payload, wall_now).await?);
                txn.commit().await?;
            }
            write(db, "UPDATE stripe_state SET polled_to = $1, poll_failed_since = NULL, poll_error = NULL", [wall_now.into()]).await?;
            intent::forget(db, wall_now).await?;
            sync::forget(db, wall_now).await?;
            if new > 0 {
                tracing::warn!(stripe.events = new, "{new} events of the payment provider came by no webhook");
            }
            Ok(new)
        }
        Err(error) => {
            failed(db, &error, wall_now).await?;
            Err(error)
        }
    }
}

async fn failed(db: &DatabaseConnection, error: &ProviderError, wall_now: Time) -> Result<(), DbErr> {
    let statement = "UPDATE stripe_state SET poll_failed_since = coalesce(poll_failed_since, $1), poll_error = $2";
    write(db, statement, [wall_now.into(), error.to_string().into()]).await
}
