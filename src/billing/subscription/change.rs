//! Changing a subscription: another plan now or when the period ends, an end, a pause. A change now cuts the open period to
//! the microsecond; each part owes its share of the fee of its own plan, and the first is invoiced at once.

use chrono::{DurationRound as _, TimeDelta};
use entity::ids::AccountId;
use entity::subscription::{AtPeriodEnd, EndReason};
use entity::{Time, account, period, plan_version, subscription};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, TransactionTrait as _,
};
use serde_json::json;

use super::start::{Terms, begin_in, end_in};
use crate::billing::invoice::act::Why;
use crate::billing::{close, plan};

/// What a customer may do with their subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Another plan, by its code; also the first one after an end.
    ChangeNow(String),
    /// Another plan from the next period on.
    ChangeAtPeriodEnd(String),
    CancelAtPeriodEnd,
    PauseNow,
    PauseAtPeriodEnd,
    /// What was paused goes on, at the prices that it had.
    Resume,
    /// Takes back what was to happen at the end of the period.
    Undo,
}

impl Act {
    /// For the audit log.
    fn in_words(&self) -> String {
        match self {
            Self::ChangeNow(code) => format!("change to {code} now"),
            Self::ChangeAtPeriodEnd(code) => format!("change to {code} when the period ends"),
            Self::CancelAtPeriodEnd => "cancel when the period ends".into(),
            Self::PauseNow => "pause now".into(),
            Self::PauseAtPeriodEnd => "pause when the period ends".into(),
            Self::Resume => "resume".into(),
            Self::Undo => "undo what was to happen when the period ends".into(),
        }
    }
}

/// Why a subscription did not change. Nothing is then changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no plan {0:?} to choose")]
    NoPlan(String),
    #[error("the plan {plan:?} is in {found}, the account in {account}")]
    Currency { plan: String, found: String, account: String },
    #[error("the account is on this plan already")]
    Same,
    #[error("no subscription runs: choose a plan, or resume a paused one")]
    NotRunning,
    #[error("the subscription is not paused")]
    NotPaused,
    #[error("nothing is to happen at the end of the period")]
    NothingToUndo,
    #[error("reason: expected 1 to 500 letters")]
    Reason,
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Does it, in the account's own time.
///
/// # Errors
/// See [`ChangeError`].
pub async fn act(db: &DatabaseConnection, id: AccountId, act: &Act, wall_now: Time) -> Result<(), ChangeError> {
    run(db, id, act, None, wall_now).await
}

/// The same by an operator, with its entry in the audit log.
///
/// # Errors
/// See [`ChangeError`].
pub async fn act_for(db: &DatabaseConnection, id: AccountId, act: &Act, why: Why<'_>, wall_now: Time) -> Result<(), ChangeError> {
    why.check().map_err(|_| ChangeError::Reason)?;
    run(db, id, act, Some(why), wall_now).await
}

async fn run(db: &DatabaseConnection, id: AccountId, act: &Act, why: Option<Why<'_>>, wall_now: Time) -> Result<(), ChangeError> {
    // What is due happens first: a change must not reach back over the end of a period.
    close::close_due(db, id, wall_now).await?;
    let txn = db.begin().await?;
    // Races: two changes at once wait for the account; the end of the period, and calls that book usage into it, for the
    // period. Who comes second reads what the first one left.
    let account = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let account = account.ok_or_else(|| DbErr::RecordNotFound(id.to_string()))?;
    period::Entity::of(id).filter(period::Column::State.eq(period::State::Open)).lock_exclusive().one(&txn).await?;
    let running = subscription::Entity::running(id).one(&txn).await?;
    match (act, running) {
        (Act::ChangeNow(code), Some(running)) => change_now(&txn, &account, running, code, wall_now).await?,
        (Act::ChangeNow(code), None) => begin_again(&txn, &account, code, wall_now).await?,
        (Act::ChangeAtPeriodEnd(code), Some(running)) => {
            let next = choose(&txn, &account, code, Some(&running)).await?;
            schedule(&txn, &running, Some((AtPeriodEnd::Change, Some(&next)))).await?;
        }
        (Act::CancelAtPeriodEnd, Some(running)) => schedule(&txn, &running, Some((AtPeriodEnd::Cancel, None))).await?,
        (Act::PauseAtPeriodEnd, Some(running)) => schedule(&txn, &running, Some((AtPeriodEnd::Pause, None))).await?,
        (Act::PauseNow, Some(running)) => {
            let at = close::cut_in(&txn, &account, wall_now).await?;
            end_in(&txn, &running, EndReason::Paused, at).await?;
        }
        (Act::Undo, Some(running)) if running.at_period_end.is_some() => schedule(&txn, &running, None).await?,
        (Act::Undo, _) => return Err(ChangeError::NothingToUndo),
        (Act::Resume, None) => resume(&txn, &account, wall_now).await?,
        (Act::Resume, Some(_)) => return Err(ChangeError::NotPaused),
        (_, None) => return Err(ChangeError::NotRunning),
    }
    if let Some(why) = why {
        why.note_in(&txn, id, ("subscription.change", &id.to_string()), json!({ "act": act.in_words() }), wall_now).await?;
    }
    Ok(txn.commit().await?)
}

async fn change_now(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    running: subscription::Model,
    code: &str,
    wall_now: Time,
) -> Result<(), ChangeError> {
    let next = choose(txn, account, code, Some(&running)).await?;
    let at = close::cut_in(txn, account, wall_now).await?;
    end_in(txn, &running, EndReason::Changed, at).await?;
    begin_in(txn, account, next.id, Terms::of(&running), at).await?;
    Ok(())
}

/// A plan after an end: months are counted from now. Who had a trial gets no second one.
async fn begin_again(txn: &impl ConnectionTrait, account: &account::Model, code: &str, wall_now: Time) -> Result<(), ChangeError> {
    let next = choose(txn, account, code, None).await?;
    let last = last(txn, account.id).await?.ok_or(ChangeError::NotRunning)?;
    let at = after(&last, account, wall_now);
    begin_in(txn, account, next.id, Terms { anchor: at, ..Terms::of(&last) }, at).await?;
    Ok(())
}

async fn resume(txn: &impl ConnectionTrait, account: &account::Model, wall_now: Time) -> Result<(), ChangeError> {
    let paused = last(txn, account.id).await?.filter(|last| last.end_reason == Some(EndReason::Paused));
    let paused = paused.ok_or(ChangeError::NotPaused)?;
    begin_in(txn, account, paused.plan_version_id, Terms::of(&paused), after(&paused, account, wall_now)).await?;
    Ok(())
}

/// Now, and not before the end of what was.
fn after(last: &subscription::Model, account: &account::Model, wall_now: Time) -> Time {
    let now = to_the_microsecond(account.now(wall_now));
    last.ended_at.map_or(now, |ended| now.max(ended))
}

/// As exact as Postgres keeps an instant.
pub(in crate::billing) fn to_the_microsecond(instant: Time) -> Time {
    instant.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(instant)
}

async fn last(txn: &impl ConnectionTrait, account: AccountId) -> Result<Option<subscription::Model>, DbErr> {
    subscription::Entity::of(account).order_by_desc(subscription::Column::StartedAt).one(txn).await
}

/// The newest version of a plan that the account may choose.
pub(super) async fn choose(
    db: &impl ConnectionTrait,
    account: &account::Model,
    code: &str,
    running: Option<&subscription::Model>,
) -> Result<plan_version::Model, ChangeError> {
    let newest = plan::newest(db, code).await?.filter(|version| version.listed);
    let version = newest.ok_or_else(|| ChangeError::NoPlan(code.to_owned()))?;
    if version.currency != account.currency {
        let (plan, found, account) = (code.to_owned(), version.currency, account.currency.clone());
        return Err(ChangeError::Currency { plan, found, account });
    }
    if running.is_some_and(|running| running.plan_version_id == version.id) {
        return Err(ChangeError::Same);
    }
    Ok(version)
}

/// What happens at the end of the period, in place of what was to happen.
async fn schedule(
    txn: &impl ConnectionTrait,
    running: &subscription::Model,
    what: Option<(AtPeriodEnd, Option<&plan_version::Model>)>,
) -> Result<(), DbErr> {
    let (at_period_end, next) = what.map_or((None, None), |(act, next)| (Some(act), next.map(|next| next.id)));
    let change = subscription::ActiveModel {
        id: Set(running.id),
        at_period_end: Set(at_period_end),
        next_plan_version_id: Set(next),
        ..Default::default()
    };
    subscription::Entity::update(change).exec(txn).await.map(|_| ())
}
