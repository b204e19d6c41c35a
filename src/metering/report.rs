//! Reading sums of usage, from the rollups.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::ids::{AccountId, PeriodId, PriceId};
use entity::money::Nanos;
use entity::usage_rollup;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};

/// What one group of calls came to.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Group {
    /// A day (`2026-11-20`, UTC), a model, or a key id.
    pub name: String,
    pub events: i64,
    pub quantity: i64,
    pub amount: Nanos,
}

/// By what usage is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Day,
    Model,
    Key,
}

/// What all calls of a period came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Totals {
    pub events: i64,
    pub quantity: i64,
    pub amount: Nanos,
}

/// Usage of an account in [`from`, `to`), whole hours, grouped.
///
/// # Errors
/// When the database refuses.
pub async fn grouped(
    db: &impl ConnectionTrait,
    account: AccountId,
    from: entity::Time,
    to: entity::Time,
    by: GroupBy,
) -> Result<Vec<Group>, DbErr> {
    let name = match by {
        GroupBy::Day => "to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        GroupBy::Model => "model",
        GroupBy::Key => "key_id::text",
    };
    let sql = format!(
        "SELECT {name} AS name, sum(events)::bigint AS events, sum(quantity)::bigint AS quantity, sum(amount_nanos)::bigint AS amount
         FROM usage_rollup WHERE account_id = $1 AND hour >= $2 AND hour < $3 GROUP BY 1 ORDER BY 1"
    );
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [account.0.into(), from.into(), to.into()]);
    let mut groups = Group::find_by_statement(statement).all(db).await?;
    if by == GroupBy::Key {
        for group in &mut groups {
            // The column holds nothing but UUIDs.
            group.name = group.name.parse().map_or_else(|_| group.name.clone(), |id| entity::ids::KeyId(id).to_string());
        }
    }
    Ok(groups)
}

/// Usage of an account by day, days without any included: what a chart wants.
///
/// # Errors
/// When the database refuses.
pub async fn by_day(
    db: &impl ConnectionTrait,
    account: AccountId,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<(NaiveDate, Totals)>, DbErr> {
    let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    let groups = grouped(db, account, midnight(from), midnight(to), GroupBy::Day).await?;
    let none = Totals { events: 0, quantity: 0, amount: Nanos(0) };
    let days = from.iter_days().take_while(|day| *day < to);
    Ok(days
        .map(|day| {
            let found = groups.iter().find(|group| group.name == day.to_string());
            (day, found.map_or(none, |group| Totals { events: group.events, quantity: group.quantity, amount: group.amount }))
        })
        .collect())
}

/// What all calls of one of the account's periods came to.
///
/// # Errors
/// When the database refuses.
pub async fn totals(db: &impl ConnectionTrait, account: AccountId, period: PeriodId) -> Result<Totals, DbErr> {
    let sql = "SELECT coalesce(sum(events), 0)::bigint AS events, coalesce(sum(quantity), 0)::bigint AS quantity,
                      coalesce(sum(amount_nanos), 0)::bigint AS amount
               FROM usage_rollup WHERE account_id = $1 AND period_id = $2";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [account.0.into(), period.0.into()]);
    let totals = Totals::find_by_statement(statement).one(db).await?;
    totals.ok_or_else(|| DbErr::RecordNotFound("a sum has always one row".into()))
}

/// Units that each price has counted in one of the account's periods: where the next one falls on its tiers.
///
/// # Errors
/// When the database refuses.
pub async fn counters(db: &impl ConnectionTrait, account: AccountId, period: PeriodId) -> Result<HashMap<PriceId, i64>, DbErr> {
    let sql = "SELECT c.price_id, c.quantity FROM usage_counter c JOIN period p ON p.id = c.period_id
               WHERE p.account_id = $1 AND c.period_id = $2";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [account.0.into(), period.0.into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((PriceId(row.try_get("", "price_id")?), row.try_get("", "quantity")?))).collect()
}

/// Whether an account has made a call yet.
///
/// # Errors
/// When the database refuses.
pub async fn has_call(db: &impl ConnectionTrait, account: AccountId) -> Result<bool, DbErr> {
    Ok(usage_rollup::Entity::of(account).one(db).await?.is_some())
}
