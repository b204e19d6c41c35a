//! Setting the limits that a customer may set, and saying where they stand.

use entity::balance::Scope;
use entity::ids::{AccountId, BalanceId, KeyId};
use entity::money::Nanos;
use entity::spend_limit;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, QueryFilter as _, Statement};
use uuid::Uuid;

use super::scope::{Limit, Spender, window};
use super::table;

/// Sets what the account may spend per billing period, counting what it has spent in the current one. `None`: no cap.
///
/// Calls in flight are admitted anew: none passes a cap that it did not know. Run it alone in a transaction that commits
/// soon: no call of the account commits meanwhile.
///
/// # Errors
/// When the database refuses.
pub async fn set_cap_in(txn: &DatabaseTransaction, account: AccountId, cap: Option<Nanos>) -> Result<(), DbErr> {
    set_in(txn, account, Scope::Period, account.0, cap).await
}

/// Sets what a key of the account may spend per calendar month, week or day, as [`set_cap_in`] does. `None`: no budget.
///
/// # Errors
/// When the database refuses, and when `scope` is none of the three.
pub async fn set_budget_in(
    txn: &DatabaseTransaction,
    account: AccountId,
    key: KeyId,
    scope: Scope,
    budget: Option<Nanos>,
) -> Result<(), DbErr> {
    if matches!(scope, Scope::Credit | Scope::Period) {
        return Err(DbErr::Custom(format!("a key has no budget per {}", scope.as_str())));
    }
    set_in(txn, account, scope, key.0, budget).await
}

async fn set_in(txn: &DatabaseTransaction, account: AccountId, scope: Scope, id: Uuid, amount: Option<Nanos>) -> Result<(), DbErr> {
    // Race: replicas that hold leases on the credit do not know of this limit yet. Their leases end here.
    let credit = BalanceId(account.0);
    table::lock_in(txn, credit).await?;
    table::void_in(txn, credit).await?;
    match amount {
        Some(amount) => {
            let statement = "INSERT INTO spend_limit (account_id, scope, scope_id, amount) VALUES ($1, $2, $3, $4)
                             ON CONFLICT (scope, scope_id) DO UPDATE SET amount = excluded.amount";
            table::run(txn, statement, [account.0.into(), scope.as_str().into(), id.into(), amount.0.into()]).await?;
        }
        None => {
            let statement = "DELETE FROM spend_limit WHERE account_id = $1 AND scope = $2 AND scope_id = $3";
            table::run(txn, statement, [account.0.into(), scope.as_str().into(), id.into()]).await?;
        }
    }
    // The windows of this limit are opened anew, from the rollups, by the first call that needs them.
    for statement in [
        "SELECT 1 FROM balance WHERE account_id = $1 AND scope = $2 AND (scope = 'period' OR scope_id = $3)
             ORDER BY window_start, id FOR UPDATE",
        "DELETE FROM lease WHERE balance_id IN
             (SELECT id FROM balance WHERE account_id = $1 AND scope = $2 AND (scope = 'period' OR scope_id = $3))",
        "DELETE FROM balance WHERE account_id = $1 AND scope = $2 AND (scope = 'period' OR scope_id = $3)",
    ] {
        table::run(txn, statement, [account.0.into(), scope.as_str().into(), id.into()]).await?;
    }
    Ok(())
}

/// A limit that is set, and what its current window has spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    pub scope: Scope,
    pub amount: Nanos,
    pub spent: Nanos,
}

/// The cap of the spender's account and the budgets of its key, the widest first.
///
/// # Errors
/// When the database refuses.
pub async fn states(db: &impl ConnectionTrait, spender: &Spender) -> Result<Vec<LimitState>, DbErr> {
    let mut rows = spend_limit::Entity::of(spender.account)
        .filter(spend_limit::Column::ScopeId.is_in([spender.account.0, spender.key.0]))
        .all(db)
        .await?;
    rows.sort_by_key(|row| row.scope);
    let mut states = Vec::with_capacity(rows.len());
    for row in rows {
        let spent = spent(db, Limit::of(row.scope, spender)).await?;
        states.push(LimitState { scope: row.scope, amount: row.amount, spent });
    }
    Ok(states)
}

async fn spent(db: &impl ConnectionTrait, limit: Limit) -> Result<Nanos, DbErr> {
    let statement =
        format!("SELECT coalesce(sum(amount_nanos), 0)::bigint AS amount FROM usage_rollup WHERE {}", table::spent_in(limit.scope));
    let (from, to) = window(limit.scope, limit.window);
    let values = [limit.account.0.into(), limit.id.into(), from.into(), to.into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), statement, values)).await?;
    row.map_or(Ok(Nanos(0)), |row| row.try_get("", "amount").map(Nanos))
}
