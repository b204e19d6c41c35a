//! Starting to be a customer: the default plan, the first period, the balance, the sign-up credit.

use chrono::Days;
use entity::credit_grant::Kind;
use entity::ids::{PeriodId, PlanVersionId, SubscriptionId};
use entity::subscription::EndReason;
use entity::{Time, account, balance, period, plan_version, subscription};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _};

use super::cycle::{cycle, zone};
use crate::billing::{credit, plan};

/// Why an account could not be subscribed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The catalogue was never applied.
    #[error("there is no plan {0:?}: run `lensmeter plans apply`")]
    NoPlan(&'static str),
    /// Neither the default plan nor another that customers may choose is in the account's currency.
    #[error("there is no plan in {account}, the account's currency; the default plan is in {plan}")]
    Currency { account: String, plan: String },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What an account keeps when its plan changes.
#[derive(Debug, Clone, Copy)]
pub(in crate::billing) struct Terms {
    /// Anniversaries are counted from it.
    pub anchor: Time,
    pub trial_ends_at: Option<Time>,
}

impl Terms {
    pub(in crate::billing) fn of(subscription: &subscription::Model) -> Self {
        Self { anchor: subscription.anchor, trial_ends_at: subscription.trial_ends_at }
    }
}

/// Subscribes a new account to the newest default plan from `now` (the account's own time) on; when that is in another
/// currency, to the plan in its own that has the lowest fee.
///
/// # Errors
/// When there is no plan in the account's currency, or the account has a subscription already.
pub async fn start_in(txn: &impl ConnectionTrait, account: &account::Model, now: Time) -> Result<(), StartError> {
    let default = plan::newest(txn, plan::DEFAULT_PLAN).await?.ok_or(StartError::NoPlan(plan::DEFAULT_PLAN))?;
    let version = if default.currency == account.currency {
        default
    } else {
        let cheapest = plan::listed(txn, &account.currency).await?.into_iter().next();
        let wrong = || StartError::Currency { account: account.currency.clone(), plan: default.currency };
        cheapest.map(|(_, version, _)| version).ok_or_else(wrong)?
    };
    let trial = u64::try_from(version.trial_days).unwrap_or(0);
    let trial_ends_at = now.checked_add_days(Days::new(trial)).filter(|_| trial > 0);
    begin_in(txn, account, version.id, Terms { anchor: now, trial_ends_at }, now).await?;
    balance::Entity::insert(balance::ActiveModel::no_credit(account.id)).exec_without_returning(txn).await?;
    if version.signup_credit_nanos.0 > 0 {
        let reference = format!("signup:{}", account.id);
        credit::grant_in(txn, account, Kind::Promotional, &reference, version.signup_credit_nanos, now).await?;
    }
    Ok(())
}

/// Begins a subscription and its first period. The account's time zone is taken now and stays for as long as it runs.
///
/// # Errors
/// When the database refuses, as it does when another subscription runs.
pub(in crate::billing) async fn begin_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    version: PlanVersionId,
    terms: Terms,
    at: Time,
) -> Result<period::Model, DbErr> {
    let subscription = subscription::Model {
        id: SubscriptionId::new(),
        account_id: account.id,
        plan_version_id: version,
        started_at: at,
        ended_at: None,
        anchor: terms.anchor,
        time_zone: account.time_zone.clone(),
        trial_ends_at: terms.trial_ends_at,
        end_reason: None,
        at_period_end: None,
        next_plan_version_id: None,
    };
    subscription::Entity::insert(subscription::ActiveModel::from(subscription.clone())).exec_without_returning(txn).await?;
    open_period_in(txn, &subscription, at).await
}

/// Ends a subscription; what was to happen at the end of its period has happened, or does not.
///
/// # Errors
/// When the database refuses.
pub(in crate::billing) async fn end_in(
    txn: &impl ConnectionTrait,
    subscription: &subscription::Model,
    reason: EndReason,
    at: Time,
) -> Result<(), DbErr> {
    let change = subscription::ActiveModel {
        id: Set(subscription.id),
        ended_at: Set(Some(at)),
        end_reason: Set(Some(reason)),
        at_period_end: Set(None),
        next_plan_version_id: Set(None),
        ..Default::default()
    };
    subscription::Entity::update(change).exec(txn).await.map(|_| ())
}

/// Opens the period of a subscription that begins at `starts_at`, until the end of the billing cycle in which that lies.
///
/// # Errors
/// When the database refuses, as it does when another period is open or overlaps.
pub(in crate::billing) async fn open_period_in(
    txn: &impl ConnectionTrait,
    subscription: &subscription::Model,
    starts_at: Time,
) -> Result<period::Model, DbErr> {
    let version = plan_version::Entity::find_by_id(subscription.plan_version_id).one(txn).await?;
    let billing = version.ok_or_else(|| DbErr::RecordNotFound(format!("plan version of {}", subscription.id)))?.billing;
    let (cycle_starts_at, cycle_ends_at) = cycle(billing, subscription.anchor, zone(&subscription.time_zone), starts_at);
    let period = period::Model {
        id: PeriodId::new(),
        account_id: subscription.account_id,
        subscription_id: subscription.id,
        starts_at,
        ends_at: cycle_ends_at,
        state: period::State::Open,
        cycle_starts_at,
        cycle_ends_at,
    };
    period::Entity::insert(period::ActiveModel::from(period.clone())).exec_without_returning(txn).await?;
    Ok(period)
}
