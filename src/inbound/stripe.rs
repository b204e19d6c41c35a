//! `POST /inbound/stripe`: Stripe's webhooks.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, handler};
use sea_orm::{DbErr, TransactionTrait as _};

use crate::app::App;
use crate::billing::stripe::event::{self, Notice};
use crate::billing::sync;

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
        return StatusCode::BAD_REQUEST;
    }
    let (Ok(notice), Ok(payload)) = (Notice::parse(&body), serde_json::from_slice(&body)) else { return StatusCode::BAD_REQUEST };
    // Signed by Stripe, but about the other of the two worlds: acknowledged, or it would be sent for days.
    if notice.livemode != app.config.stripe.is_live() {
        tracing::warn!(stripe.event = notice.event_id, "a Stripe event of the other mode was ignored");
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
    if !sync::receive_in(&txn, notice, payload, now).await? {
        tracing::debug!(stripe.event = notice.event_id, "a Stripe event came again");
    }
    txn.commit().await
}
