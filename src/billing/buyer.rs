//! Who is billed, as the payment provider is told: again whenever it changes.

use entity::ids::AccountId;
use entity::{Time, account};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _};
use serde::{Deserialize, Serialize};

use super::provider::{Buyer, Provider, customer};
use super::top_up;
use crate::platform::queue::{self, Job, Outcome};

/// Tells the provider name, address and tax id of an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncBuyer {
    pub account: AccountId,
}

impl Job for SyncBuyer {
    const KIND: &'static str = "billing.sync_buyer";
}

/// Has the provider told, in the transaction of the change. An account that it does not know yet is told when it is made.
///
/// # Errors
/// When the database refuses.
pub async fn changed_in(txn: &impl ConnectionTrait, account: &account::Model, wall_now: Time) -> Result<(), DbErr> {
    if account.stripe_customer_id.is_none() {
        return Ok(());
    }
    // Without a key: one that runs already may have read what was before.
    queue::enqueue_in(txn, &SyncBuyer { account: account.id }, None, wall_now).await
}

/// Runs [`SyncBuyer`].
///
/// # Errors
/// Retried while the provider or the database does not answer; parked when it does not take the tax id.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, job: SyncBuyer) -> Outcome {
    let Some(account) = account::Entity::find_by_id(job.account).one(db).await? else { return Ok(()) };
    let owner = top_up::owner_in(db, account.id).await?;
    let Some((id, owner)) = account.stripe_customer_id.clone().zip(owner) else { return Ok(()) };
    let buyer = Buyer {
        name: account.name,
        email: owner.email,
        address: [account.address_line1, account.address_line2, account.postal_code, account.city, account.country.unwrap_or_default()],
        tax_id: account.tax_id,
    };
    Ok(customer::update(stripe, &id, &buyer).await?)
}
