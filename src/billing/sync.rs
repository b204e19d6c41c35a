//! What a stored webhook of Stripe leads to: never more than reading the object that it names and applying that.

use entity::{Time, invoice, stripe_inbox, top_up};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use serde::{Deserialize, Serialize};

use super::stripe::Stripe;
use super::stripe::event::Notice;
use super::{payment, top_up as top_ups};
use crate::platform::queue::{self, Failure, Job, Outcome};

/// Acts on a stored webhook.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncStripeEvent {
    pub event_id: String,
}

impl Job for SyncStripeEvent {
    const KIND: &'static str = "billing.sync_stripe_event";
}

/// Stores a webhook and enqueues what it leads to, in the caller's transaction. False when it was stored before: Stripe sends
/// an event more than once.
///
/// # Errors
/// When the database refuses.
pub async fn receive_in(txn: &impl ConnectionTrait, notice: &Notice, payload: serde_json::Value, now: Time) -> Result<bool, DbErr> {
    let row = stripe_inbox::ActiveModel {
        event_id: Set(notice.event_id.clone()),
        kind: Set(notice.kind.clone()),
        object_id: Set(notice.object_id.clone()),
        payload: Set(payload),
        received_at: Set(now),
        done_at: Set(None),
    };
    let conflict = OnConflict::column(stripe_inbox::Column::EventId).do_nothing().to_owned();
    if stripe_inbox::Entity::insert(row).on_conflict(conflict).exec_without_returning(txn).await? == 0 {
        return Ok(false);
    }
    queue::enqueue_in(txn, &SyncStripeEvent { event_id: notice.event_id.clone() }, Some(notice.event_id.clone()), now).await?;
    Ok(true)
}

/// Runs [`SyncStripeEvent`]. `done_at` comes after the effects, not with them: they are monotone, so a crash between
/// the two only looks once more.
///
/// # Errors
/// Retried while Stripe or the database does not answer.
pub async fn run(db: &DatabaseConnection, stripe: &Stripe, public_url: &str, job: SyncStripeEvent, wall_now: Time) -> Outcome {
    let Some(row) = stripe_inbox::Entity::find_by_id(job.event_id.clone()).one(db).await? else {
        return Err(Failure::Park(format!("event {} is gone", job.event_id)));
    };
    if row.done_at.is_some() {
        return Ok(());
    }
    match row.kind.as_str() {
        kind if kind.starts_with("checkout.session.") => {
            let known = top_up::Entity::find().filter(top_up::Column::StripeSessionId.eq(row.object_id.as_str())).one(db).await?;
            if let Some(top_up) = known {
                top_ups::sync(db, stripe, public_url, top_up.id, wall_now).await?;
            }
        }
        "invoice.paid" | "invoice.payment_succeeded" | "invoice.payment_failed" => {
            let known = invoice::Entity::find().filter(invoice::Column::StripeInvoiceId.eq(row.object_id.as_str())).one(db).await?;
            if let Some(invoice) = known {
                payment::sync(db, stripe, public_url, invoice.id, wall_now).await?;
            }
        }
        // Other kinds, and objects that are not ours (the Stripe account may have other users), are only kept.
        _ => {}
    }
    let change = stripe_inbox::ActiveModel { event_id: Set(row.event_id), done_at: Set(Some(wall_now)), ..Default::default() };
    stripe_inbox::Entity::update(change).exec(db).await?;
    Ok(())
}
