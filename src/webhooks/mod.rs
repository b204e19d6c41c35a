//! What we tell customers' servers: events, signed as Standard Webhooks, delivered by the queue.

pub mod deliver;
pub mod endpoint;
mod sign;

use entity::ids::{AccountId, DeliveryId};
use entity::{webhook_delivery, webhook_endpoint};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use crate::platform::queue;

/// The events there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A top-up was paid and credited.
    TopUpPaid,
    /// An invoice was paid.
    InvoicePaid,
    /// The payment of an invoice failed.
    InvoicePaymentFailed,
    /// The bank wants the customer to confirm the payment of an invoice.
    InvoiceActionRequired,
    /// The bank took a payment back until it is decided whose it is.
    DisputeOpened,
    /// It is decided.
    DisputeClosed,
    /// Calls are refused until an invoice is paid.
    AccountSuspended,
    /// It is paid; calls are answered again.
    AccountRestored,
    /// A warning that the customer asked for.
    AlertCrossed,
    /// An asynchronous inference has its result.
    JobSucceeded,
    /// An asynchronous inference has failed for good.
    JobFailed,
    /// An asynchronous inference was called off.
    JobCanceled,
    /// Someone pressed "send a test".
    Test,
}

impl Event {
    /// The `type` of the payload.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopUpPaid => "top_up.paid",
            Self::InvoicePaid => "invoice.paid",
            Self::InvoicePaymentFailed => "invoice.payment_failed",
            Self::InvoiceActionRequired => "invoice.payment_action_required",
            Self::DisputeOpened => "dispute.opened",
            Self::DisputeClosed => "dispute.closed",
            Self::AccountSuspended => "account.suspended",
            Self::AccountRestored => "account.restored",
            Self::AlertCrossed => "alert.crossed",
            Self::JobSucceeded => "job.succeeded",
            Self::JobFailed => "job.failed",
            Self::JobCanceled => "job.canceled",
            Self::Test => "test",
        }
    }
}

/// Tells every endpoint of the account, in the caller's transaction: an event is sent exactly when what it tells of happened.
///
/// # Errors
/// When the database refuses.
pub async fn emit_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    event: Event,
    data: serde_json::Value,
    now: entity::Time,
) -> Result<(), DbErr> {
    let endpoints = webhook_endpoint::Entity::of(account).filter(webhook_endpoint::Column::DisabledAt.is_null()).all(txn).await?;
    for endpoint in endpoints {
        send_in(txn, &endpoint, event, data.clone(), now).await?;
    }
    Ok(())
}

/// Tells one endpoint, in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub async fn send_in(
    txn: &impl ConnectionTrait,
    endpoint: &webhook_endpoint::Model,
    event: Event,
    data: serde_json::Value,
    now: entity::Time,
) -> Result<(), DbErr> {
    let id = DeliveryId::new();
    webhook_delivery::Entity::insert(webhook_delivery::ActiveModel {
        id: Set(id),
        account_id: Set(endpoint.account_id),
        endpoint_id: Set(endpoint.id),
        event: Set(event.as_str().into()),
        payload: Set(serde_json::json!({ "type": event.as_str(), "timestamp": now.to_rfc3339(), "data": data })),
        attempts: Set(0),
        last_status: Set(None),
        last_error: Set(None),
        created_at: Set(now),
        delivered_at: Set(None),
    })
    .exec_without_returning(txn)
    .await?;
    queue::enqueue_in(txn, &deliver::DeliverWebhook { delivery: id }, None, now).await
}
