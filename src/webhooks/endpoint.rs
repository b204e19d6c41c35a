//! A customer's endpoints and the log of what was sent to them.

use entity::ids::{AccountId, EndpointId};
use entity::{webhook_delivery, webhook_endpoint};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::sign;
use crate::platform::outbound::{self, Refused};

/// Endpoints that an account may have.
const MAX_ENDPOINTS: usize = 10;

/// Why an endpoint was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error("{0}")]
    Url(#[from] Refused),
    #[error("An account has at most 10 endpoints: remove one first.")]
    TooMany,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Adds an endpoint with a fresh secret. Its host is looked at when something is sent, not now: names move.
///
/// # Errors
/// See [`AddError`].
pub async fn add_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    url: &str,
    allow_private: bool,
    now: entity::Time,
) -> Result<webhook_endpoint::Model, AddError> {
    let url = outbound::parse(url.trim(), allow_private)?;
    if list(txn, account).await?.len() >= MAX_ENDPOINTS {
        return Err(AddError::TooMany);
    }
    let row = webhook_endpoint::ActiveModel {
        id: Set(EndpointId::new()),
        account_id: Set(account),
        url: Set(url.into()),
        secret: Set(sign::fresh_secret()),
        created_at: Set(now),
        disabled_at: Set(None),
    };
    Ok(webhook_endpoint::Entity::insert(row).exec_with_returning(txn).await?)
}

/// All endpoints of an account, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<webhook_endpoint::Model>, DbErr> {
    webhook_endpoint::Entity::of(account).order_by_asc(webhook_endpoint::Column::Id).all(db).await
}

/// Removes an endpoint and its log; false when the account has no such endpoint.
///
/// # Errors
/// When the database refuses.
pub async fn remove(db: &impl ConnectionTrait, account: AccountId, id: EndpointId) -> Result<bool, DbErr> {
    let removed = webhook_endpoint::Entity::delete_many()
        .filter(webhook_endpoint::Column::AccountId.eq(account))
        .filter(webhook_endpoint::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(removed.rows_affected == 1)
}

/// The account's latest deliveries, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn deliveries(db: &impl ConnectionTrait, account: AccountId, limit: u64) -> Result<Vec<webhook_delivery::Model>, DbErr> {
    webhook_delivery::Entity::of(account).order_by_desc(webhook_delivery::Column::Id).limit(limit).all(db).await
}
