//! A purchase that the bank wants the customer to confirm: it becomes one at the checkout, of which a letter tells.

use entity::ids::TopUpId;
use entity::top_up::State;
use entity::{Time, account, auto_top_up, top_up};
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _, QuerySelect as _, TransactionTrait as _};
use serde::{Deserialize, Serialize};

use super::{DAY, wait_in};
use crate::billing::letters;
use crate::billing::provider::Provider;
use crate::billing::top_up::{self as top_ups, Links};
use crate::platform::mail;
use crate::platform::queue::{self, Failure, Job, Outcome};

/// Makes the payment page of a purchase that the bank would not let be charged, and tells the owner.
#[derive(Debug, Serialize, Deserialize)]
pub struct OfferTopUp {
    pub top_up: TopUpId,
}

impl Job for OfferTopUp {
    const KIND: &'static str = "billing.offer_top_up";
}

/// Takes the purchase from the card to the checkout. No refusal is counted; the next purchase is tried a day later.
pub(super) async fn begin(db: &DatabaseConnection, row: &top_up::Model, wall_now: Time) -> Outcome {
    let txn = db.begin().await?;
    let account = account::Entity::find_by_id(row.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    // Lock, look again: the page or a refusal may have been quicker.
    let locked = top_up::Entity::find_by_id(row.id).lock_exclusive().one(&txn).await?;
    let settings = auto_top_up::Entity::of(row.account_id).one(&txn).await?;
    let (Some(account), Some(row), Some(settings)) = (account, locked, settings) else { return Ok(()) };
    if row.state != State::Pending || !row.automatic {
        return Ok(());
    }
    // The charge that the bank stopped takes no money any more: what pays is the page.
    let change = top_up::ActiveModel { id: Set(row.id), automatic: Set(false), stripe_payment_intent_id: Set(None), ..Default::default() };
    top_up::Entity::update(change).exec(&txn).await?;
    wait_in(&txn, &settings, settings.failures, account.now(wall_now) + DAY).await?;
    queue::enqueue_in(&txn, &OfferTopUp { top_up: row.id }, Some(row.id.to_string()), wall_now).await?;
    Ok(txn.commit().await?)
}

/// Runs [`OfferTopUp`].
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn run(db: &DatabaseConnection, stripe: &Provider, public_url: &str, job: OfferTopUp, wall_now: Time) -> Outcome {
    let Some(row) = top_up::Entity::find_by_id(job.top_up).one(db).await? else { return Ok(()) };
    let account = account::Entity::find_by_id(row.account_id).one(db).await?;
    let Some((account, customer)) = account.and_then(|account| account.stripe_customer_id.clone().map(|id| (account, id))) else {
        return Err(Failure::Park(format!("top-up {} has no customer", row.id)));
    };
    // The sweep gives up what has no page for an hour, as after one without Stripe.
    if !matches!(row.state, State::Pending | State::Expired) || row.checkout_url.is_some() {
        return Ok(());
    }
    let (id, url) = top_ups::page_for(db, stripe, &account, &customer, &row, &Links::of(public_url), wall_now).await?;
    let txn = db.begin().await?;
    // Race: a second worker whose claim on this job ran out; it was given the same page. Who stores it tells.
    let untold = top_up::Entity::find_by_id(row.id).lock_exclusive().one(&txn).await?.filter(|row| row.checkout_url.is_none());
    let Some((row, owner)) = untold.zip(top_ups::owner_in(&txn, account.id).await?) else { return Ok(()) };
    mail::post_in(&txn, Some(account.id), &owner.email, letters::top_up_action(&account, &row, &url), wall_now).await?;
    let change = top_up::ActiveModel {
        id: Set(row.id),
        state: Set(State::Pending),
        stripe_session_id: Set(Some(id)),
        checkout_url: Set(Some(url)),
        ..Default::default()
    };
    top_up::Entity::update(change).exec(&txn).await?;
    Ok(txn.commit().await?)
}
