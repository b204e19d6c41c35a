//! Where a subscription stands, and what an act would lead to before it is done.

use entity::money::Minor;
use entity::subscription::{AtPeriodEnd, EndReason};
use entity::{Time, account, period, plan as plan_row, plan_version, subscription};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::change::{Act, ChangeError, choose, to_the_microsecond};
use super::cycle::{cycle, zone};
use crate::billing::close;
use crate::billing::invoice::preview::{self, Preview};
use crate::billing::proration::Share;
use crate::platform::config::Seller;

/// Where the subscription of an account stands.
#[derive(Debug, Clone)]
pub struct State {
    /// The one that runs, or the last one that did.
    pub subscription: subscription::Model,
    pub plan_code: String,
    pub plan: plan_version::Model,
    /// Of a running one.
    pub period: Option<period::Model>,
    /// What a change at the end of the period leads to.
    pub next: Option<plan_version::Model>,
}

impl State {
    /// `active`, `paused` or `canceled`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self.subscription.end_reason {
            None => "active",
            Some(EndReason::Paused) => "paused",
            Some(EndReason::Canceled | EndReason::Changed) => "canceled",
        }
    }

    /// What happens when the open period ends, and when that is.
    #[must_use]
    pub fn at_period_end(&self) -> Option<(AtPeriodEnd, Time)> {
        Some((self.subscription.at_period_end?, self.period.as_ref()?.ends_at))
    }
}

/// The state; `None` before the account ever subscribed.
///
/// # Errors
/// When the database refuses.
pub async fn state(db: &impl ConnectionTrait, account: &account::Model) -> Result<Option<State>, DbErr> {
    let latest = subscription::Entity::of(account.id).order_by_desc(subscription::Column::StartedAt).one(db).await?;
    let Some(subscription) = latest else { return Ok(None) };
    let version = |id| plan_version::Entity::find_by_id(id).one(db);
    let gone = || DbErr::RecordNotFound(format!("the plan of {}", subscription.id));
    let plan = version(subscription.plan_version_id).await?.ok_or_else(gone)?;
    let next = match subscription.next_plan_version_id {
        Some(next) => version(next).await?,
        None => None,
    };
    let code = plan_row::Entity::find_by_id(plan.plan_id).one(db).await?.ok_or_else(gone)?.code;
    let period = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    Ok(Some(State { subscription, plan_code: code, plan, period, next }))
}

/// What an act would lead to.
#[derive(Debug, Clone)]
pub struct Consequence {
    /// In the account's own time.
    pub effective_at: Time,
    /// The invoice of the period that the act would end now: what the customer pays today. `None`: the period runs on.
    pub today: Option<Preview>,
    /// The plan that would run then.
    pub plan: Option<plan_version::Model>,
    /// The period that would begin then.
    pub next_period: Option<(Time, Time)>,
    /// The share of the plan's monthly fee that this period would owe at its end.
    pub next_fee: Option<Minor>,
}

/// Says what would come of an act. Changes nothing.
///
/// # Errors
/// As the act would fail.
pub async fn consequence(
    db: &DatabaseConnection,
    account: &account::Model,
    seller: &Seller,
    act: &Act,
    wall_now: Time,
) -> Result<Consequence, ChangeError> {
    close::close_due(db, account.id, wall_now).await?;
    let known = state(db, account).await?.ok_or(ChangeError::NotRunning)?;
    let running = Some(&known.subscription).filter(|subscription| subscription.ended_at.is_none());
    let open = known.period.as_ref();
    let now = to_the_microsecond(account.now(wall_now));
    match (act, running, open) {
        (Act::ChangeNow(code), _, _) => {
            let plan = choose(db, account, code, running).await?;
            let cut = open.map(|open| cut(open, now));
            let anchor = if running.is_some() { known.subscription.anchor } else { now };
            let today = invoice(db, account, seller, cut.as_ref()).await?;
            begins(account, &known.subscription, anchor, plan, cut.map_or(now, |cut| cut.ends_at), today)
        }
        (Act::Resume, None, _) if known.subscription.end_reason == Some(EndReason::Paused) => {
            begins(account, &known.subscription, known.subscription.anchor, known.plan.clone(), now, None)
        }
        (Act::Resume, _, _) => Err(ChangeError::NotPaused),
        (Act::ChangeAtPeriodEnd(code), Some(running), Some(open)) => {
            let plan = choose(db, account, code, Some(running)).await?;
            begins(account, running, running.anchor, plan, open.ends_at, None)
        }
        (Act::PauseNow, Some(_), Some(open)) => {
            let cut = cut(open, now);
            Ok(ends(cut.ends_at, invoice(db, account, seller, Some(&cut)).await?))
        }
        (Act::CancelAtPeriodEnd | Act::PauseAtPeriodEnd, Some(_), Some(open)) => Ok(ends(open.ends_at, None)),
        (Act::Undo, Some(running), Some(open)) if running.at_period_end.is_some() => {
            begins(account, running, running.anchor, known.plan.clone(), open.ends_at, None)
        }
        (Act::Undo, _, _) => Err(ChangeError::NothingToUndo),
        _ => Err(ChangeError::NotRunning),
    }
}

fn cut(open: &period::Model, now: Time) -> period::Model {
    period::Model { ends_at: close::cut_at(open, now), ..open.clone() }
}

async fn invoice(
    db: &DatabaseConnection,
    account: &account::Model,
    seller: &Seller,
    cut: Option<&period::Model>,
) -> Result<Option<Preview>, ChangeError> {
    let Some(cut) = cut else { return Ok(None) };
    let preview = preview::of(db, account, cut, seller).await;
    preview.map(Some).map_err(|error| DbErr::Custom(error.to_string()).into())
}

fn ends(effective_at: Time, today: Option<Preview>) -> Consequence {
    Consequence { effective_at, today, plan: None, next_period: None, next_fee: None }
}

fn begins(
    account: &account::Model,
    terms: &subscription::Model,
    anchor: Time,
    plan: plan_version::Model,
    at: Time,
    today: Option<Preview>,
) -> Result<Consequence, ChangeError> {
    let whole = cycle(plan.billing, anchor, zone(&account.time_zone), at);
    let period = (at, whole.1);
    let from = terms.trial_ends_at.unwrap_or(at).clamp(period.0, period.1);
    let fee = Share { from, to: period.1, cycle: whole }.part(plan.base_fee_minor.0);
    let fee = fee.map_err(|overflow| DbErr::Custom(overflow.to_string()))?;
    Ok(Consequence { effective_at: at, today, plan: Some(plan), next_period: Some(period), next_fee: Some(Minor(fee)) })
}
