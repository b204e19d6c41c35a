//! What news of the payment provider lead to: never more than reading the object that they name and applying that.

use chrono::TimeDelta;
use entity::ids::TopUpId;
use entity::{Time, invoice, stripe_inbox, top_up};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use serde::{Deserialize, Serialize};

use super::invoice::act::refund;
use super::provider::event::Notice;
use super::provider::{Provider, card as cards, charge, credit_note};
use super::watch::compare;
use super::{card, dispute, payment, top_up as top_ups};
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
/// Retried while the provider or the database does not answer.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, public_url: &str, job: SyncStripeEvent, wall_now: Time) -> Outcome {
    let Some(row) = stripe_inbox::Entity::find_by_id(job.event_id.clone()).one(db).await? else {
        return Err(Failure::Park(format!("event {} is gone", job.event_id)));
    };
    if row.done_at.is_some() {
        return Ok(());
    }
    act(db, stripe, public_url, (&row.kind, &row.object_id), wall_now).await?;
    let change = stripe_inbox::ActiveModel { event_id: Set(row.event_id), done_at: Set(Some(wall_now)), ..Default::default() };
    stripe_inbox::Entity::update(change).exec(db).await?;
    Ok(())
}

/// Stripe lists events for 30 days and sends them for three: after twice as long none can come again.
const KEPT: TimeDelta = TimeDelta::days(60);

/// Forgets events that were acted on long ago.
///
/// # Errors
/// When the database refuses.
pub async fn forget(db: &DatabaseConnection, wall_now: Time) -> Result<(), DbErr> {
    use stripe_inbox::Column::{DoneAt, ReceivedAt};
    let old = stripe_inbox::Entity::delete_many().filter(ReceivedAt.lt(wall_now - KEPT)).filter(DoneAt.is_not_null());
    old.exec(db).await.map(|_| ())
}

/// Whether it can be asked for: anything else would be another address than the object's.
fn is_id(object: &str) -> bool {
    (1..=255).contains(&object.len()) && object.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Other kinds, and objects that are not ours (the provider's account may have other users), are only kept.
async fn act(db: &DatabaseConnection, stripe: &Provider, public_url: &str, (kind, object): (&str, &str), wall_now: Time) -> Outcome {
    if !is_id(object) {
        return Ok(());
    }
    let family = kind.rsplit_once('.').map_or(kind, |(family, _)| family);
    match family {
        "checkout.session" => page(db, stripe, public_url, object, wall_now).await,
        "payment_intent" => match charge::find(stripe, object).await?.top_up.and_then(|id| id.parse().ok()) {
            Some(top_up) => known_top_up(db, stripe, public_url, top_up, wall_now).await,
            None => Ok(()),
        },
        "invoice" => {
            let known = invoice::Entity::find().filter(invoice::Column::StripeInvoiceId.eq(object)).one(db).await?;
            match known {
                Some(invoice) => payment::sync(db, stripe, public_url, invoice.id, wall_now).await,
                None => Ok(()),
            }
        }
        "charge.dispute" => dispute::sync(db, stripe, object, wall_now).await,
        "refund" => refund::sync(db, stripe, object, wall_now).await,
        "credit_note" => {
            let (invoice, ours) = credit_note::find(stripe, object).await?;
            Ok(compare::credit_note(db, object, (&invoice, ours.as_deref()), wall_now).await?)
        }
        "customer" => card::sync_customer(db, stripe, object).await,
        // The customer of one that was detached is told by `customer.updated`.
        "payment_method" => match cards::customer_of(stripe, object).await? {
            Some(customer) => card::sync_customer(db, stripe, &customer).await,
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A page where a top-up is paid; or one that saves a card.
async fn page(db: &DatabaseConnection, stripe: &Provider, public_url: &str, id: &str, wall_now: Time) -> Outcome {
    match top_up::Entity::find().filter(top_up::Column::StripeSessionId.eq(id)).one(db).await? {
        Some(top_up) => top_ups::sync(db, stripe, public_url, top_up.id, wall_now).await,
        None => card::sync_page(db, stripe, id, wall_now).await,
    }
}

/// A top-up by the name that the provider has for it: it may be another installation's.
async fn known_top_up(db: &DatabaseConnection, stripe: &Provider, public_url: &str, id: TopUpId, wall_now: Time) -> Outcome {
    match top_up::Entity::find_by_id(id).one(db).await? {
        Some(_) => top_ups::sync(db, stripe, public_url, id, wall_now).await,
        None => Ok(()),
    }
}
