//! Buying credit through the provider's checkout. Credit comes when the provider says the page is paid, and once.

use chrono::TimeDelta;
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

use super::provider::{NewSession, Provider, ProviderError, Session, card, checkout, customer};
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
    Provider(ProviderError),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<ProviderError> for TopUpError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Database(error) => Self::Database(error),
            other => Self::Provider(other),
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
    stripe: &Provider,
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
    let row = top_up::Model {
        id: TopUpId::new(),
        account_id: account.id,
        amount_minor: amount,
        state: State::Pending,
        stripe_session_id: None,
        checkout_url: None,
        stripe_payment_intent_id: None,
        created_at: now,
        paid_at: None,
        automatic: false,
    };
    top_up::Entity::insert(top_up::ActiveModel::from(row.clone())).exec_without_returning(db).await?;
    // The account's own time may be ahead of that in which keys live.
    let wall_now = now - TimeDelta::seconds(account.clock_offset_seconds);
    let customer = customer::ensure(db, stripe, account, email, wall_now).await?;
    let links = Links { success: success_url.to_owned(), cancel: cancel_url.to_owned() };
    let (session, url) = page_for(db, stripe, account, &customer, &row, &links, wall_now).await?;
    let change = top_up::ActiveModel {
        id: Set(row.id),
        stripe_session_id: Set(Some(session)),
        checkout_url: Set(Some(url.clone())),
        ..Default::default()
    };
    top_up::Entity::update(change).exec(db).await?;
    Ok(url)
}

/// Where a payment page leads back to.
#[derive(Debug)]
pub(super) struct Links {
    pub success: String,
    pub cancel: String,
}

impl Links {
    /// The billing page of an installation.
    pub(super) fn of(public_url: &str) -> Self {
        let back = format!("{public_url}/app/billing?checkout=");
        Self { success: format!("{back}done"), cancel: format!("{back}left") }
    }
}

/// The payment page of a top-up, made once: the provider's id of it, and its address.
pub(super) async fn page_for(
    db: &DatabaseConnection,
    stripe: &Provider,
    account: &account::Model,
    customer: &str,
    row: &top_up::Model,
    links: &Links,
    wall_now: Time,
) -> Result<(String, String), ProviderError> {
    let new = NewSession {
        customer,
        top_up: &row.id.to_string(),
        amount: row.amount_minor,
        currency: &account.currency,
        description: "Prepaid credit",
        success_url: &links.success,
        cancel_url: &links.cancel,
    };
    let session = checkout::create(db, stripe, new, wall_now).await?;
    let url = session.url.ok_or_else(|| ProviderError::Decode("a checkout page without an address".into()))?;
    Ok((session.id, url))
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
pub async fn sync(db: &DatabaseConnection, stripe: &Provider, public_url: &str, id: TopUpId, wall_now: Time) -> Outcome {
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
        return save_card(db, stripe, &session, wall_now).await;
    }
    // A wallet that was told to pay may say days later that it did not.
    if session.expired || session.failed {
        let state = if session.expired { State::Expired } else { State::Failed };
        close(db, id, state).await?;
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

/// The card that was used is the one for invoices; a wallet is not, as it cannot be charged again. After the credit: a card that
/// cannot be saved must not hold that back.
async fn save_card(db: &DatabaseConnection, stripe: &Provider, session: &Session, wall_now: Time) -> Outcome {
    if let (Some(customer), Some(method), Some(payment), true) =
        (&session.customer, &session.payment_method, &session.payment_intent, session.reusable)
    {
        card::make_default_once(db, stripe, (customer, method), payment, wall_now).await?;
    }
    Ok(())
}

/// Only from pending: a payment may have come in between.
async fn close(db: &DatabaseConnection, id: TopUpId, state: State) -> Result<(), DbErr> {
    use sea_orm::sea_query::Expr;
    top_up::Entity::update_many()
        .col_expr(top_up::Column::State, Expr::value(state.as_str()))
        .filter(top_up::Column::Id.eq(id))
        .filter(top_up::Column::State.eq(State::Pending))
        .exec(db)
        .await
        .map(|_| ())
}
