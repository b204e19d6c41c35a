//! `POST /inbound/stripe`: Stripe's webhooks.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, handler};
use sea_orm::{DbErr, TransactionTrait as _};

use crate::app::App;
use crate::billing::provider::event::{self, Notice, SignatureError};
use crate::billing::{sync, watch};

/// Stripe's largest events are some hundred kilobytes.
const LIMIT: usize = 1 << 20;

/// Verifies, stores once, enqueues, answers. Whatever the event means is the worker's business, so that Stripe is
/// answered in milliseconds and never sees our errors: 400 is for what Stripe did not send, 503 asks it to send again.
#[handler]
pub async fn receive(request: &Request, body: Body, app: Data<&App>) -> StatusCode {
    let Ok(body) = body.into_bytes_limit(LIMIT).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let header = request.header("stripe-signature").unwrap_or_default();
    let now = app.clock.now();
    if let Err(error) = event::verify(header, &body, &app.config.stripe.webhook_secrets, now) {
        tracing::warn!(%error, "a Stripe webhook was refused: {error}");
        // Whoever sends anything at all here does not reach the database; who signs like Stripe does, once a minute.
        if error != SignatureError::Malformed
            && let Err(error) = watch::refused(&app.db, &error.to_string(), now).await
        {
            tracing::error!(%error, "that a Stripe webhook was refused could not be noted");
        }
        return StatusCode::BAD_REQUEST;
    }
    let (Ok(notice), Ok(mut payload)) = (Notice::parse(&body), serde_json::from_slice(&body)) else { return StatusCode::BAD_REQUEST };
    // PostgreSQL has no NUL in its texts; refused for that, the event would be sent for days.
    if body.windows(6).any(|bytes| bytes == b"\\u0000") {
        payload = serde_json::json!({ "id": notice.event_id, "type": notice.kind });
    }
    // Signed by Stripe, but about the other of the two worlds, or of an account that is connected to ours: acknowledged, or it
    // would be sent for days.
    let live = app.config.stripe.is_live();
    if notice.livemode != live || notice.foreign {
        let whose = if notice.foreign { "another account" } else { "the other mode" };
        tracing::warn!(stripe.event = notice.event_id, stripe.live = live, "a Stripe event of {whose} was ignored");
        return StatusCode::OK;
    }
    match store(&app, &notice, payload, now).await {
        Ok(()) => StatusCode::OK,
        Err(error) => {
            tracing::error!(%error, stripe.event = notice.event_id, "a Stripe event could not be stored");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn store(app: &App, notice: &Notice, payload: serde_json::Value, now: entity::Time) -> Result<(), DbErr> {
    let txn = app.db.begin().await?;
    watch::accepted_in(&txn, now).await?;
    if !sync::receive_in(&txn, notice, payload, now).await? {
        tracing::debug!(stripe.event = notice.event_id, "a Stripe event came again");
    }
    txn.commit().await
}
