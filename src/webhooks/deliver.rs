//! Sends one event to one endpoint.

use entity::ids::DeliveryId;
use entity::{webhook_delivery, webhook_endpoint};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _};
use serde::{Deserialize, Serialize};

use super::sign;
use crate::platform::outbound;
use crate::platform::queue::{Failure, Job, Outcome};

/// Sends one delivery.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliverWebhook {
    pub delivery: DeliveryId,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = "webhook.deliver";
}

/// Runs [`DeliverWebhook`]: any 2xx is success; everything else is retried, each time with the same `webhook-id`.
///
/// # Errors
/// Retried or parked; the delivery's row tells the customer why.
pub async fn deliver(db: &DatabaseConnection, job: DeliverWebhook, allow_private: bool, now: entity::Time) -> Outcome {
    let Some(delivery) = webhook_delivery::Entity::find_by_id(job.delivery).one(db).await? else { return Ok(()) };
    let Some(endpoint) = webhook_endpoint::Entity::find_by_id(delivery.endpoint_id).one(db).await? else { return Ok(()) };
    if delivery.delivered_at.is_some() {
        return Ok(());
    }
    let sent = send(&delivery, &endpoint, allow_private, now).await;
    let (status, problem) = match &sent {
        Ok(status) if (200..300).contains(status) => (Some(i32::from(*status)), None),
        Ok(status) => (Some(i32::from(*status)), Some(format!("the endpoint answered {status}"))),
        Err(problem) => (None, Some(problem.clone())),
    };
    webhook_delivery::Entity::update(webhook_delivery::ActiveModel {
        id: Set(delivery.id),
        attempts: Set(delivery.attempts + 1),
        last_status: Set(status),
        last_error: Set(problem.clone()),
        delivered_at: Set(problem.is_none().then_some(now)),
        ..Default::default()
    })
    .exec(db)
    .await?;
    problem.map_or(Ok(()), |problem| Err(Failure::Retry(problem)))
}

async fn send(
    delivery: &webhook_delivery::Model,
    endpoint: &webhook_endpoint::Model,
    allow_private: bool,
    now: entity::Time,
) -> Result<u16, String> {
    let url = outbound::parse(&endpoint.url, allow_private).map_err(|refused| refused.to_string())?;
    let client = outbound::client_for(&url, allow_private).await.map_err(|refused| refused.to_string())?;
    let (id, payload, timestamp) = (delivery.id.to_string(), delivery.payload.to_string(), now.timestamp());
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", sign::signature(&endpoint.secret, &id, timestamp, &payload))
        .body(payload)
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    Ok(answer.status().as_u16())
}
