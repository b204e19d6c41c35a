//! `/app/webhooks`: servers of the customer that we tell of events, and how that went.

use askama::Template;
use entity::ids::EndpointId;
use entity::{webhook_delivery, webhook_endpoint};
use poem::web::{Data, Path};
use poem::{IntoResponse as _, Response, handler};
use sea_orm::TransactionTrait as _;
use serde::Deserialize;

use super::error::PortalError;
use super::{see_with, show};
use crate::app::App;
use crate::web::form::{Confirmed, FieldErrors, Form};
use crate::web::page::{Page, Shell};
use crate::web::session::SignedInMember;
use crate::webhooks::endpoint::{self, AddError};
use crate::webhooks::{self, Event};

/// Deliveries shown.
const RECENT: u64 = 30;

#[derive(Deserialize, Default)]
struct NewEndpoint {
    #[serde(default)]
    url: String,
}

#[derive(Template)]
#[template(path = "portal/webhooks.html")]
struct WebhooksPage {
    shell: Shell,
    endpoints: Vec<webhook_endpoint::Model>,
    deliveries: Vec<Row>,
    typed_url: String,
    errors: FieldErrors,
}

struct Row {
    at: String,
    id: String,
    event: String,
    attempts: i32,
    /// What the endpoint answered, or why it could not be reached.
    says: String,
    /// Class and word of the badge.
    badge: (&'static str, &'static str),
}

/// Shows the endpoints and the latest deliveries.
#[handler]
pub async fn get(app: Data<&App>, me: SignedInMember) -> Result<Response, PortalError> {
    Ok(page(&app, me, String::new(), FieldErrors::default()).await?.into_response())
}

/// Adds an endpoint.
#[handler]
pub async fn add(app: Data<&App>, me: SignedInMember, Form(fields): Form<NewEndpoint>) -> Result<Response, PortalError> {
    let allow_private = app.config.server.allow_private_urls;
    match endpoint::add_in(&app.db, me.account.id, &fields.url, allow_private, app.clock.now()).await {
        Ok(_) => Ok(see_with(&app, "/app/webhooks", "endpoint_added")),
        Err(AddError::Database(error)) => Err(error.into()),
        Err(error) => Ok(page(&app, me, fields.url, FieldErrors::one("url", error)).await?.refused()),
    }
}

/// Sends a test event to one endpoint.
#[handler]
pub async fn test(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    let id: EndpointId = id.parse().map_err(|_| PortalError::NotFound)?;
    let known = endpoint::list(&app.db, me.account.id).await?;
    let endpoint = known.iter().find(|endpoint| endpoint.id == id).ok_or(PortalError::NotFound)?;
    let txn = app.db.begin().await?;
    webhooks::send_in(&txn, endpoint, Event::Test, serde_json::json!({ "account": me.account.id.to_string() }), app.clock.now()).await?;
    txn.commit().await?;
    Ok(see_with(&app, "/app/webhooks", "test_sent"))
}

/// Removes an endpoint of this account.
#[handler]
pub async fn remove(
    app: Data<&App>,
    me: SignedInMember,
    Path(id): Path<String>,
    Form(Confirmed {}): Form<Confirmed>,
) -> Result<Response, PortalError> {
    let id: EndpointId = id.parse().map_err(|_| PortalError::NotFound)?;
    if endpoint::remove(&app.db, me.account.id, id).await? {
        Ok(see_with(&app, "/app/webhooks", "endpoint_removed"))
    } else {
        Err(PortalError::NotFound)
    }
}

async fn page(app: &App, me: SignedInMember, typed_url: String, errors: FieldErrors) -> Result<Page<WebhooksPage>, PortalError> {
    let SignedInMember { account, shell, .. } = me;
    let endpoints = endpoint::list(&app.db, account.id).await?;
    let deliveries = endpoint::deliveries(&app.db, account.id, RECENT).await?.iter().map(row).collect();
    Ok(Page(WebhooksPage { shell, endpoints, deliveries, typed_url, errors }))
}

fn row(delivery: &webhook_delivery::Model) -> Row {
    let badge = match (delivery.delivered_at.is_some(), delivery.attempts) {
        (true, _) => ("good", "delivered"),
        (false, 0) => ("", "waiting"),
        (false, _) => ("warn", "retrying"),
    };
    let answered = delivery.last_status.map(|status| format!("answered {status}"));
    Row {
        at: show::moment(delivery.created_at),
        id: delivery.id.to_string(),
        event: delivery.event.clone(),
        attempts: delivery.attempts,
        says: delivery.last_error.clone().or(answered).unwrap_or_default(),
        badge,
    }
}
