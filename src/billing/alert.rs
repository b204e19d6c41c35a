//! Warnings that a customer asked for: shares of a budget or of the cap that are spent, credit that runs low. Each is told once
//! per crossing; nothing is ever refused by one.

use std::collections::BTreeMap;

use entity::alert::Kind;
use entity::ids::{AccountId, PeriodId};
use entity::member::Role;
use entity::money::Nanos;
use entity::{Time, account, alert, balance, member, period, spend_limit};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::letters::{self, Measure};
use crate::metering::report;
use crate::platform::mail;
use crate::platform::queue::Job;
use crate::webhooks::{self, Event};

/// Shares that may be asked for, in per cent.
pub const MOST_PERCENT: i64 = 1000;
/// Shares that an account may have.
pub const MOST_SHARES: usize = 10;

/// Looks for alerts that were crossed.
#[derive(Debug, Serialize, Deserialize)]
pub struct AlertsDue {}

impl Job for AlertsDue {
    const KIND: &'static str = "billing.alerts_due";
}

/// What an account is warned of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the customer expects to spend in a billing period.
    pub budget: Option<Nanos>,
    /// In per cent of the budget, or of the cap where there is none; rising.
    pub shares: Vec<i64>,
    /// Credit left at which to warn.
    pub credit_below: Option<Nanos>,
}

/// What cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("expected an amount above zero")]
    Budget,
    #[error("expected at most {MOST_SHARES} shares, each from 1 to {MOST_PERCENT} per cent")]
    Shares,
    #[error("expected an amount above zero")]
    Credit,
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What an account is warned of.
///
/// # Errors
/// When the database refuses.
pub async fn settings(db: &impl ConnectionTrait, account: &account::Model) -> Result<Settings, DbErr> {
    let rows = alert::Entity::of(account.id).order_by_asc(alert::Column::Threshold).all(db).await?;
    let of = |kind: Kind| rows.iter().filter(move |row| row.kind == kind).map(|row| row.threshold);
    Ok(Settings { budget: account.budget_nanos, shares: of(Kind::Spend).collect(), credit_below: of(Kind::Credit).next().map(Nanos) })
}

/// Sets what an account is warned of. Alerts that stay keep whether they were told in this period.
///
/// # Errors
/// See [`SettingsError`]; nothing is changed then.
pub async fn set_in(txn: &impl ConnectionTrait, account: AccountId, asked: &Settings) -> Result<(), SettingsError> {
    if asked.budget.is_some_and(|budget| budget.0 <= 0) {
        return Err(SettingsError::Budget);
    }
    if asked.shares.len() > MOST_SHARES || asked.shares.iter().any(|share| !(1..=MOST_PERCENT).contains(share)) {
        return Err(SettingsError::Shares);
    }
    if asked.credit_below.is_some_and(|credit| credit.0 <= 0) {
        return Err(SettingsError::Credit);
    }
    let change = account::ActiveModel { id: Set(account), budget_nanos: Set(asked.budget), ..Default::default() };
    account::Entity::update(change).exec(txn).await?;
    replace_in(txn, account, Kind::Spend, &asked.shares).await?;
    replace_in(txn, account, Kind::Credit, &asked.credit_below.map(|credit| credit.0).into_iter().collect::<Vec<_>>()).await?;
    Ok(())
}

async fn replace_in(txn: &impl ConnectionTrait, account: AccountId, kind: Kind, thresholds: &[i64]) -> Result<(), DbErr> {
    use sea_orm::sea_query::OnConflict;
    let gone = alert::Entity::delete_many()
        .filter(alert::Column::AccountId.eq(account))
        .filter(alert::Column::Kind.eq(kind))
        .filter(alert::Column::Threshold.is_not_in(thresholds.iter().copied()));
    gone.exec(txn).await?;
    for threshold in thresholds {
        let row = alert::Model { account_id: account, kind, threshold: *threshold, fired_period_id: None };
        let conflict =
            OnConflict::columns([alert::Column::AccountId, alert::Column::Kind, alert::Column::Threshold]).do_nothing().to_owned();
        alert::Entity::insert(alert::ActiveModel::from(row)).on_conflict(conflict).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Runs [`AlertsDue`]: one look for all accounts, then a transaction for each that has news.
///
/// # Errors
/// When the accounts cannot be read.
pub async fn run(db: &DatabaseConnection, public_url: &str, wall_now: Time) -> Result<(), DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), include_str!("alert.sql"));
    for row in db.query_all_raw(statement).await? {
        let account = AccountId(row.try_get::<Uuid>("", "account_id")?);
        if let Err(error) = check(db, account, public_url, wall_now).await {
            tracing::error!(billing.account = %account, %error, "the alerts of {account} could not be checked: {error}");
        }
    }
    Ok(())
}

/// Where the account stands against what it is warned of.
struct Standing {
    period: period::Model,
    spent: Nanos,
    of: Option<(Measure, Nanos)>,
    remaining: Nanos,
}

/// Fires what was crossed and arms again what is back, for one account.
///
/// # Errors
/// When the database refuses.
pub async fn check(db: &DatabaseConnection, id: AccountId, public_url: &str, wall_now: Time) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    // Race: two replicas that look at once. The second waits, and finds what the first told.
    let rows = alert::Entity::of(id).order_by_asc(alert::Column::Threshold).lock_exclusive().all(&txn).await?;
    let Some(account) = account::Entity::find_by_id(id).one(&txn).await? else { return Ok(()) };
    let Some(standing) = standing(&txn, &account).await? else { return Ok(()) };
    let mut crossed = BTreeMap::<&str, i64>::new();
    for row in rows {
        let (is_crossed, known) = match (row.kind, standing.of) {
            (Kind::Spend, Some((_, of))) => (
                i128::from(standing.spent.0) * 100 >= i128::from(of.0) * i128::from(row.threshold),
                row.fired_period_id == Some(standing.period.id),
            ),
            (Kind::Spend, None) => (false, false),
            // A new period is no new credit.
            (Kind::Credit, _) => (standing.remaining.0 < row.threshold, row.fired_period_id.is_some()),
        };
        if is_crossed == known {
            continue;
        }
        mark_in(&txn, &row, is_crossed.then_some(standing.period.id)).await?;
        if is_crossed {
            // Of several shares that were crossed at once, only the highest is told.
            let name = if row.kind == Kind::Spend { "spend" } else { "credit" };
            crossed.entry(name).and_modify(|known| *known = row.threshold.max(*known)).or_insert(row.threshold);
        }
    }
    for (name, threshold) in crossed {
        tell_in(&txn, &account, &standing, (name, threshold), public_url, wall_now).await?;
    }
    txn.commit().await
}

async fn mark_in(txn: &impl ConnectionTrait, row: &alert::Model, fired: Option<PeriodId>) -> Result<(), DbErr> {
    let change = alert::ActiveModel {
        account_id: Set(row.account_id),
        kind: Set(row.kind),
        threshold: Set(row.threshold),
        fired_period_id: Set(fired),
    };
    alert::Entity::update(change).exec(txn).await.map(|_| ())
}

async fn standing(txn: &impl ConnectionTrait, account: &account::Model) -> Result<Option<Standing>, DbErr> {
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(txn).await?;
    let Some(period) = open else { return Ok(None) };
    let spent = report::totals(txn, account.id, period.id).await?.amount;
    let cap = spend_limit::Entity::of(account.id).filter(spend_limit::Column::Scope.eq(balance::Scope::Period)).one(txn).await?;
    let of = account.budget_nanos.map(|budget| (Measure::Budget, budget)).or(cap.map(|cap| (Measure::Cap, cap.amount)));
    let remaining = balance::Entity::credit_of(account.id).one(txn).await?.map(|balance| balance.remaining()).unwrap_or_default();
    Ok(Some(Standing { period, spent, of, remaining }))
}

async fn tell_in(
    txn: &DatabaseTransaction,
    account: &account::Model,
    standing: &Standing,
    (name, threshold): (&str, i64),
    public_url: &str,
    wall_now: Time,
) -> Result<(), DbErr> {
    let letter = match (name, standing.of) {
        ("spend", Some(of)) => letters::spend(account, of, (threshold, standing.spent), standing.period.ends_at, public_url),
        _ => letters::credit_low(account, standing.remaining, Nanos(threshold), public_url),
    };
    let owner = member::Entity::of(account.id).filter(member::Column::Role.eq(Role::Owner)).order_by_asc(member::Column::Id);
    if let Some(owner) = owner.one(txn).await? {
        mail::post_in(txn, Some(account.id), &owner.email, letter, wall_now).await?;
    }
    let amount = |nanos: Nanos| nanos.decimal(account.exponent());
    let news = match name {
        "spend" => serde_json::json!({ "kind": name, "percent": threshold, "spent": amount(standing.spent), "currency": account.currency }),
        _ => {
            serde_json::json!({ "kind": name, "below": amount(Nanos(threshold)), "remaining": amount(standing.remaining), "currency": account.currency })
        }
    };
    webhooks::emit_in(txn, account.id, Event::AlertCrossed, news, wall_now).await
}
