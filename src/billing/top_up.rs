//! Buying credit through Stripe's checkout. Credit comes when Stripe says the session is paid, and once.

use entity::ids::{AccountId, TopUpId};
use entity::money::Minor;
use entity::top_up::State;
use entity::{Time, account, credit_grant, member, top_up};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};

use super::stripe::checkout::{self, NewSession, Session};
use super::stripe::customer::{self, CustomerError};
use super::stripe::{Stripe, StripeError};
use super::{auto_top_up, credit, letters};
use crate::platform::mail;
use crate::platform::queue::{Failure, Job, Outcome};
use crate::webhooks::{self, Event};

/// The least and the most that one top-up may be, in minor units.
pub const MINIMUM: Minor = Minor(500);
/// See [`MINIMUM`].
pub const MAXIMUM: Minor = Minor(1_000_000);

/// Why no top-up was started.
#[derive(Debug, thiserror::Error)]
pub enum TopUpError {
    #[error("choose an amount from {} to {}", min.0, max.0)]
    Amount { min: Minor, max: Minor },
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<CustomerError> for TopUpError {
    fn from(error: CustomerError) -> Self {
        match error {
            CustomerError::Stripe(error) => Self::Stripe(error),
            CustomerError::Database(error) => Self::Database(error),
        }
    }
}

/// Asks Stripe how a top-up stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncTopUp {
    pub top_up: TopUpId,
}

impl Job for SyncTopUp {
    const KIND: &'static str = "billing.sync_top_up";
}

/// Starts a top-up and returns the address of Stripe's checkout page, where the customer is to be sent.
/// `now` is the account's own time.
///
/// # Errors
/// When the amount is out of bounds, or Stripe or the database refuses. A row that never got its page is expired by the sweep.
pub async fn start(
    db: &DatabaseConnection,
    stripe: &Stripe,
    account: &account::Model,
    email: &str,
    amount: Minor,
    (success_url, cancel_url): (&str, &str),
    now: Time,
) -> Result<String, TopUpError> {
    if !(MINIMUM..=MAXIMUM).contains(&amount) {
        return Err(TopUpError::Amount { min: MINIMUM, max: MAXIMUM });
    }
    // The row first: what comes back from Stripe always finds what it is about.
    let id = TopUpId::new();
    let pending = top_up::ActiveModel {
        id: Set(id),
        account_id: Set(account.id),
        amount_minor: Set(amount),
        state: Set(State::Pending),
        stripe_session_id: Set(None),
        checkout_url: Set(None),
        stripe_payment_intent_id: Set(None),
        created_at: Set(now),
        paid_at: Set(None),
        automatic: Set(false),
    };
    top_up::Entity::insert(pending).exec_without_returning(db).await?;
    let customer = customer::ensure(db, stripe, account, email).await?;
    let new = NewSession {
        customer: &customer,
        top_up: &id.to_string(),
        amount,
        currency: &account.currency,
        description: "Prepaid credit",
        success_url,
        cancel_url,
    };
    let session = checkout::create(stripe, new).await?;
    let url = session.url.ok_or_else(|| StripeError::Decode("a checkout session without a url".into()))?;
    let change = top_up::ActiveModel {
        id: Set(id),
        stripe_session_id: Set(Some(session.id)),
        checkout_url: Set(Some(url.clone())),
        ..Default::default()
    };
    top_up::Entity::update(change).exec(db).await?;
    Ok(url)
}

/// The top-ups of an account, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<top_up::Model>, DbErr> {
    top_up::Entity::of(account).order_by_desc(top_up::Column::Id).all(db).await
}

/// Runs [`SyncTopUp`]: reads the session from Stripe and applies what it says. Any number of runs credit once.
///
/// # Errors
/// Retried while Stripe or the database does not answer; parked when the session is about something else.
pub async fn sync(db: &DatabaseConnection, stripe: &Stripe, public_url: &str, id: TopUpId, wall_now: Time) -> Outcome {
    let Some(row) = top_up::Entity::find_by_id(id).one(db).await? else { return Err(Failure::Park(format!("top-up {id} is gone"))) };
    if row.automatic {
        return auto_top_up::charge(db, stripe, public_url, row, wall_now).await;
    }
    let Some(session_id) = &row.stripe_session_id else { return Ok(()) };
    let session = checkout::find(stripe, session_id).await?;
    if session.paid {
        let account = account::Entity::find_by_id(row.account_id).one(db).await?;
        let same_currency = account.is_some_and(|account| account.currency == session.currency);
        if session.amount != row.amount_minor || !same_currency || session.top_up != Some(row.id.to_string()) {
            return Err(Failure::Park(format!("top-up {}: session {} is about something else", row.id, session.id)));
        }
        credited(db, public_url, &row, session.payment_intent.clone(), wall_now).await?;
        return save_card(stripe, &session).await;
    }
    if session.expired {
        expire(db, id).await?;
    }
    Ok(())
}

/// Credits a top-up that was paid by `payment_intent`, with its letter; once, however often it is told.
pub(super) async fn credited(
    db: &DatabaseConnection,
    public_url: &str,
    row: &top_up::Model,
    payment_intent: Option<String>,
    wall_now: Time,
) -> Outcome {
    let txn = db.begin().await?;
    // The account before its rows, everywhere: one order of locks. Then look again: a duplicate of the webhook or the sweep
    // may have credited meanwhile.
    let account = account::Entity::find_by_id(row.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let locked = top_up::Entity::find_by_id(row.id).lock_exclusive().one(&txn).await?;
    let Some((account, row)) = account.zip(locked) else { return Err(Failure::Park(format!("top-up {} is gone", row.id))) };
    if row.state == State::Paid {
        return Ok(());
    }
    let now = account.now(wall_now);
    let amount = row.amount_minor.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?;
    credit::grant_in(&txn, &account, credit_grant::Kind::Paid, &row.id.to_string(), amount, now).await?;
    let change = top_up::ActiveModel {
        id: Set(row.id),
        state: Set(State::Paid),
        stripe_payment_intent_id: Set(payment_intent),
        paid_at: Set(Some(now)),
        ..Default::default()
    };
    let row = top_up::Entity::update(change).exec(&txn).await?;
    if let Some(owner) = owner_in(&txn, account.id).await? {
        mail::post_in(&txn, Some(account.id), &owner.email, letters::receipt(&account, &row, public_url), wall_now).await?;
    }
    let news = serde_json::json!({ "id": row.id.to_string(), "amount": row.amount_minor.decimal(account.exponent()), "currency": account.currency });
    webhooks::emit_in(&txn, account.id, Event::TopUpPaid, news, wall_now).await?;
    Ok(txn.commit().await?)
}

pub(super) async fn owner_in(txn: &impl ConnectionTrait, account: AccountId) -> Result<Option<member::Model>, DbErr> {
    member::Entity::of(account).filter(member::Column::Role.eq(member::Role::Owner)).order_by_asc(member::Column::Id).one(txn).await
}

/// The card that was used is the one for invoices. After the credit: a card that cannot be saved must not hold that back.
async fn save_card(stripe: &Stripe, session: &Session) -> Outcome {
    if let (Some(customer), Some(method), Some(payment)) = (&session.customer, &session.payment_method, &session.payment_intent) {
        customer::set_default_payment_method(stripe, customer, method, payment).await?;
    }
    Ok(())
}

/// Only from pending: a payment may have come in between.
async fn expire(db: &DatabaseConnection, id: TopUpId) -> Result<(), DbErr> {
    use sea_orm::sea_query::Expr;
    top_up::Entity::update_many()
        .col_expr(top_up::Column::State, Expr::value(State::Expired.as_str()))
        .filter(top_up::Column::Id.eq(id))
        .filter(top_up::Column::State.eq(State::Pending))
        .exec(db)
        .await
        .map(|_| ())
}
