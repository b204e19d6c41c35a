//! Starting to be a customer: the default plan, the first period, the balance, the sign-up credit.

use chrono::Months;
use entity::credit_grant::Kind;
use entity::ids::{PeriodId, SubscriptionId};
use entity::{Time, account, balance, period, subscription};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait as _};

use super::{credit, plan};

/// Why an account could not be subscribed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The catalogue was never applied.
    #[error("there is no plan {0:?}: run `lensmeter plans apply`")]
    NoPlan(&'static str),
    /// The plan is in another currency than the account.
    #[error("the account is in {account}, the plan in {plan}")]
    Currency { account: String, plan: String },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Subscribes a new account to the newest default plan from `now` (the account's own time) on.
///
/// # Errors
/// When there is no default plan in the account's currency, or the account has a subscription already.
pub async fn start_in(txn: &impl ConnectionTrait, account: &account::Model, now: Time) -> Result<(), StartError> {
    let version = plan::newest(txn, plan::DEFAULT_PLAN).await?.ok_or(StartError::NoPlan(plan::DEFAULT_PLAN))?;
    if version.currency != account.currency {
        return Err(StartError::Currency { account: account.currency.clone(), plan: version.currency });
    }
    let subscription = subscription::Model {
        id: SubscriptionId::new(),
        account_id: account.id,
        plan_version_id: version.id,
        started_at: now,
        ended_at: None,
    };
    subscription::Entity::insert(subscription::ActiveModel::from(subscription.clone())).exec_without_returning(txn).await?;
    open_period_in(txn, &subscription, now).await?;
    balance::Entity::insert(balance::ActiveModel::no_credit(account.id)).exec_without_returning(txn).await?;
    if version.signup_credit_nanos.0 > 0 {
        let reference = format!("signup:{}", account.id);
        credit::grant_in(txn, account, Kind::Promotional, &reference, version.signup_credit_nanos, now).await?;
    }
    Ok(())
}

/// Opens the period of a subscription that begins at `starts_at`, until the next monthly anniversary.
///
/// # Errors
/// When the database refuses, as it does when another period is open or overlaps.
pub(super) async fn open_period_in(
    txn: &impl ConnectionTrait,
    subscription: &subscription::Model,
    starts_at: Time,
) -> Result<period::Model, DbErr> {
    let period = period::Model {
        id: PeriodId::new(),
        account_id: subscription.account_id,
        subscription_id: subscription.id,
        starts_at,
        ends_at: next_anniversary(subscription.started_at, starts_at),
        state: period::State::Open,
    };
    period::Entity::insert(period::ActiveModel::from(period.clone())).exec_without_returning(txn).await?;
    Ok(period)
}

/// The first monthly anniversary of `anchor` after `instant`. Counted from the anchor, so that the 31st comes back after
/// a short month.
fn next_anniversary(anchor: Time, instant: Time) -> Time {
    (1..)
        .map(|months| anchor.checked_add_months(Months::new(months)).unwrap_or(Time::MAX_UTC))
        .find(|anniversary| *anniversary > instant)
        .unwrap_or(Time::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_31st_comes_back_after_february() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        let anchor = at("2027-01-31T12:00:00Z");
        assert_eq!(next_anniversary(anchor, anchor), at("2027-02-28T12:00:00Z"));
        assert_eq!(next_anniversary(anchor, at("2027-02-28T12:00:00Z")), at("2027-03-31T12:00:00Z"));
        assert_eq!(next_anniversary(anchor, at("2027-02-27T12:00:00Z")), at("2027-02-28T12:00:00Z"));
    }
}
