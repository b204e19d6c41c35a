//! Credit that buys itself when it runs low, with the card on file. One purchase at a time per account (a unique index), never
//! more in 24 hours than the customer allows, and ever longer pauses after a card that was refused.

pub mod offer;

use chrono::TimeDelta;
use entity::account::Standing;
use entity::ids::{AccountId, TopUpId};
use entity::money::{Minor, Nanos};
use entity::top_up::State;
use entity::{Time, account, auto_top_up, balance, top_up};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    Statement, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::letters;
use super::provider::{Charge, ChargeState, NewCharge, Provider, ProviderError, card, charge};
use super::top_up::{self as top_ups, SyncTopUp};
use crate::platform::queue::{self, Failure, Job, Outcome};
use crate::platform::{db, mail};

/// After so many refusals in a row it is switched off: the customer has to look.
const PATIENCE: i32 = 4;
/// What the cap counts, and how long it then waits.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Starts purchases of the accounts whose credit runs low.
#[derive(Debug, Serialize, Deserialize)]
pub struct BuyCredit {}

impl Job for BuyCredit {
    const KIND: &'static str = "billing.buy_credit";
}

/// What a customer sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub enabled: bool,
    /// Below it credit is bought.
    pub threshold: Nanos,
    pub amount: Minor,
    /// What is bought at most within 24 hours.
    pub daily_cap: Minor,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("amount: expected {} to {} minor units", top_ups::MINIMUM.0, top_ups::MAXIMUM.0)]
    Amount,
    #[error("threshold: expected nothing below zero and nothing above the largest top-up")]
    Threshold,
    #[error("daily_cap: expected at least the amount of one top-up, and at most ten of the largest")]
    DailyCap,
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What an account has set; switched off before it set anything.
///
/// # Errors
/// When the database refuses.
pub async fn of(db: &DatabaseConnection, account: &account::Model, now: Time) -> Result<auto_top_up::Model, DbErr> {
    let known = auto_top_up::Entity::of(account.id).one(db).await?;
    Ok(known.unwrap_or(auto_top_up::Model {
        account_id: account.id,
        enabled: false,
        threshold_nanos: Nanos(0),
        amount_minor: top_ups::MINIMUM,
        daily_cap_minor: top_ups::MINIMUM,
        failures: 0,
        next_try_at: now,
        updated_at: now,
    }))
}

/// Sets it for an account, and forgets earlier refusals. `now` is the account's own time.
///
/// # Errors
/// When a value is out of bounds.
pub async fn set(db: &DatabaseConnection, account: &account::Model, new: Settings, now: Time) -> Result<auto_top_up::Model, SettingsError> {
    let most = top_ups::MAXIMUM.nanos(account.exponent()).map_err(|_| SettingsError::Amount)?;
    if !(top_ups::MINIMUM..=top_ups::MAXIMUM).contains(&new.amount) {
        return Err(SettingsError::Amount);
    }
    if !(Nanos(0)..=most).contains(&new.threshold) {
        return Err(SettingsError::Threshold);
    }
    if !(new.amount.0..=top_ups::MAXIMUM.0 * 10).contains(&new.daily_cap.0) {
        return Err(SettingsError::DailyCap);
    }
    let row = auto_top_up::Model {
        account_id: account.id,
        enabled: new.enabled,
        threshold_nanos: new.threshold,
        amount_minor: new.amount,
        daily_cap_minor: new.daily_cap,
        failures: 0,
        next_try_at: now,
        updated_at: now,
    };
    use auto_top_up::Column::{AmountMinor, DailyCapMinor, Enabled, Failures, NextTryAt, ThresholdNanos, UpdatedAt};
    let again = OnConflict::column(auto_top_up::Column::AccountId)
        .update_columns([Enabled, ThresholdNanos, AmountMinor, DailyCapMinor, Failures, NextTryAt, UpdatedAt])
        .to_owned();
    auto_top_up::Entity::insert(auto_top_up::ActiveModel::from(row.clone())).on_conflict(again).exec_without_returning(db).await?;
    Ok(row)
}

/// Runs [`BuyCredit`] and returns how many purchases began.
///
/// # Errors
/// When the accounts cannot be read.
pub async fn run(db: &DatabaseConnection, wall_now: Time) -> Result<usize, DbErr> {
    let low = "SELECT t.account_id FROM auto_top_up t JOIN balance b ON b.id = t.account_id JOIN account a ON a.id = t.account_id
               WHERE t.enabled AND a.standing = 'active' AND b.credits - b.debits < t.threshold_nanos
                 -- Who takes money back is not charged again by itself.
                 AND NOT EXISTS (SELECT 1 FROM dispute d WHERE d.account_id = a.id AND d.state = 'open')
                 AND t.next_try_at <= $1 + make_interval(secs => a.clock_offset_seconds)
                 AND NOT EXISTS (SELECT 1 FROM top_up u WHERE u.account_id = a.id AND u.automatic AND u.state = 'pending')";
    let mut begun = 0;
    for row in db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), low, [wall_now.into()])).await? {
        let id = AccountId(row.try_get::<Uuid>("", "account_id")?);
        match begin(db, id, wall_now).await {
            Ok(more) => begun += usize::from(more),
            Err(error) => tracing::error!(billing.account = %id, %error, "credit of {id} could not be bought: {error}"),
        }
    }
    Ok(begun)
}

/// Begins a purchase of an account if one is due: the row, and the job that charges for it.
///
/// # Errors
/// When the database refuses; nothing is begun then.
pub async fn begin(db: &DatabaseConnection, id: AccountId, wall_now: Time) -> Result<bool, DbErr> {
    let txn = db.begin().await?;
    // Lock, look again: another replica may have begun one, or the credit may have come.
    let account = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let settings = auto_top_up::Entity::of(id).one(&txn).await?;
    let left = balance::Entity::credit_of(id).one(&txn).await?.map(|balance| balance.remaining());
    let (Some(account), Some(settings), Some(left)) = (account, settings, left) else { return Ok(false) };
    let now = account.now(wall_now);
    if !settings.enabled || account.standing != Standing::Active || left >= settings.threshold_nanos || now < settings.next_try_at {
        return Ok(false);
    }
    if bought_in(&txn, id, now - DAY).await?.0.saturating_add(settings.amount_minor.0) > settings.daily_cap_minor.0 {
        wait_in(&txn, &settings, settings.failures, now + TimeDelta::hours(1)).await?;
        txn.commit().await?;
        return Ok(false);
    }
    let top_up = TopUpId::new();
    let row = top_up::ActiveModel {
        id: Set(top_up),
        account_id: Set(id),
        amount_minor: Set(settings.amount_minor),
        state: Set(State::Pending),
        stripe_session_id: Set(None),
        checkout_url: Set(None),
        stripe_payment_intent_id: Set(None),
        created_at: Set(now),
        paid_at: Set(None),
        automatic: Set(true),
    };
    let top_up = row.id.clone().unwrap();
    match top_up::Entity::insert(row).exec_without_returning(&txn).await {
        Err(error) if db::is_unique_violation(&error) => return Ok(false),
        other => drop(other?),
    }
    queue::enqueue_in(&txn, &SyncTopUp { top_up }, Some(top_up.to_string()), wall_now).await?;
    txn.commit().await?;
    Ok(true)
}

/// What was bought by itself since an instant.
async fn bought_in(txn: &impl ConnectionTrait, account: AccountId, since: Time) -> Result<Minor, DbErr> {
    let bought = top_up::Entity::of(account)
        .filter(top_up::Column::Automatic.eq(true))
        .filter(top_up::Column::State.is_in([State::Pending, State::Paid]))
        .filter(top_up::Column::CreatedAt.gt(since));
    Ok(Minor(bought.all(txn).await?.iter().map(|row| row.amount_minor.0).sum()))
}

async fn wait_in(txn: &impl ConnectionTrait, settings: &auto_top_up::Model, failures: i32, until: Time) -> Result<(), DbErr> {
    let change = auto_top_up::ActiveModel {
        account_id: Set(settings.account_id),
        failures: Set(failures),
        next_try_at: Set(until),
        enabled: Set(settings.enabled && failures < PATIENCE),
        ..Default::default()
    };
    auto_top_up::Entity::update(change).exec(txn).await.map(|_| ())
}

/// Charges for a purchase that is pending. Any number of runs charge and credit once: what was asked for first is what is asked
/// again, and once the provider's id is known it is only looked at.
///
/// # Errors
/// Retried while the provider or the database does not answer. A card that is refused is no error of the job.
pub(super) async fn charge(db: &DatabaseConnection, stripe: &Provider, public_url: &str, row: top_up::Model, wall_now: Time) -> Outcome {
    if row.state != State::Pending {
        return Ok(());
    }
    let account = account::Entity::find_by_id(row.account_id).one(db).await?.ok_or_else(|| Failure::Park("the account is gone".into()))?;
    let made = match &row.stripe_payment_intent_id {
        Some(known) => charge::find(stripe, known).await.map(Some),
        None => asked(db, stripe, &account, &row, wall_now).await,
    };
    match made {
        Ok(Some(made)) => {
            let change =
                top_up::ActiveModel { id: Set(row.id), stripe_payment_intent_id: Set(Some(made.id.clone())), ..Default::default() };
            top_up::Entity::update(change).exec(db).await?;
            match made.state {
                ChargeState::Paid => {
                    top_ups::credited(db, public_url, &row, Some(made.id), wall_now).await?;
                    succeeded(db, row.account_id).await
                }
                // The news or the sweep ask again.
                ChargeState::UnderWay => Ok(()),
                ChargeState::ActionNeeded => offer::begin(db, &row, wall_now).await,
                ChargeState::Refused => refused(db, public_url, &row, "the bank refused it", wall_now).await,
            }
        }
        Ok(None) => refused(db, public_url, &row, "there is no card on file", wall_now).await,
        Err(ProviderError::ActionNeeded { .. }) => offer::begin(db, &row, wall_now).await,
        Err(error) if error.is_final() => refused(db, public_url, &row, &error.to_string(), wall_now).await,
        Err(error) => Err(error.into()),
    }
}

/// Asks for the charge. `None` without a card.
async fn asked(
    db: &DatabaseConnection,
    stripe: &Provider,
    account: &account::Model,
    row: &top_up::Model,
    wall_now: Time,
) -> Result<Option<Charge>, ProviderError> {
    let Some(customer) = account.stripe_customer_id.as_deref() else { return Ok(None) };
    let Some(card) = card::default(stripe, customer).await? else { return Ok(None) };
    let new = NewCharge {
        customer,
        payment_method: &card.id,
        amount: row.amount_minor,
        currency: &account.currency,
        description: "Prepaid credit, bought automatically",
        top_up: &row.id.to_string(),
    };
    charge::create(db, stripe, new, wall_now).await.map(Some)
}

async fn succeeded(db: &DatabaseConnection, account: AccountId) -> Outcome {
    let change = auto_top_up::ActiveModel { account_id: Set(account), failures: Set(0), ..Default::default() };
    auto_top_up::Entity::update(change).exec(db).await?;
    Ok(())
}

/// The purchase failed: the next one is tried after an hour, two, four …, and after some none at all. The customer is told of
/// the first refusal in a row, and of the last.
async fn refused(db: &DatabaseConnection, public_url: &str, row: &top_up::Model, why: &str, wall_now: Time) -> Outcome {
    tracing::info!(billing.top_up = %row.id, "the automatic top-up {} was refused: {why}", row.id);
    let txn = db.begin().await?;
    let account = account::Entity::find_by_id(row.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let locked = top_up::Entity::find_by_id(row.id).lock_exclusive().one(&txn).await?;
    let settings = auto_top_up::Entity::of(row.account_id).one(&txn).await?;
    let (Some(account), Some(row), Some(settings)) = (account, locked, settings) else { return Ok(()) };
    if row.state != State::Pending {
        return Ok(());
    }
    top_up::Entity::update(top_up::ActiveModel { id: Set(row.id), state: Set(State::Failed), ..Default::default() }).exec(&txn).await?;
    let failures = settings.failures + 1;
    let pause = TimeDelta::hours(1 << (failures - 1).clamp(0, 4));
    let next = account.now(wall_now) + pause;
    wait_in(&txn, &settings, failures, next).await?;
    let off = failures >= PATIENCE;
    if let Some(owner) = top_ups::owner_in(&txn, account.id).await?.filter(|_| failures == 1 || off) {
        let letter = letters::auto_top_up_refused(&account, &row, (next, off), public_url);
        mail::post_in(&txn, Some(account.id), &owner.email, letter, wall_now).await?;
    }
    Ok(txn.commit().await?)
}
