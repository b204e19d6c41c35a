//! Leases in the database. Every function takes the row of `balance` before those of `lease`; two balances of one account
//! are taken from the credit to the budgets.

use std::sync::Arc;

use entity::balance::{self, Scope};
use entity::ids::{AccountId, BalanceId, LeaseId};
use entity::money::Nanos;
use entity::spend_limit;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, Statement, TransactionTrait as _, Value,
};

use super::scope::{Limit, Terms, window};
use super::{LIFETIME, recall};

/// A slice is at most this share of what is available, so that other replicas find some too.
const SHARE: i64 = 8;

/// What a refill asks for.
pub(super) struct Need {
    /// Must be covered.
    pub amount: i64,
    /// Is covered where the limit has room.
    pub wanted: i64,
    /// The lease that is to be extended, and what is free of it.
    pub known: Option<(LeaseId, i64)>,
    /// Leases of this process that it uses no more: they end.
    pub void: Vec<LeaseId>,
}

/// A slice that was taken.
pub(super) struct Grant {
    pub lease: LeaseId,
    pub balance: BalanceId,
    pub added: i64,
    /// A new lease, not a known one that was extended.
    pub fresh: bool,
    /// Which further limits there are. Only with a fresh lease on credit.
    pub terms: Option<Arc<Terms>>,
}

/// What the database said to a refill.
pub(super) enum Answer {
    Granted(Grant),
    /// Not enough is available. `recalled`: other replicas are about to give back what may be enough.
    Short {
        remaining: Nanos,
        recalled: bool,
    },
    /// There is no such limit.
    Gone,
}

/// The leases on a balance, but for those that ended.
struct Survey {
    /// What all of them may still spend.
    promised: i64,
    /// The known lease is among them.
    alive: bool,
    /// What others of them may still give back.
    elsewhere: i64,
    /// Others of them were asked to give back and have not answered yet.
    awaited: bool,
}

/// Extends a lease or takes a new one. Calls back what other replicas hold when that may help and `recall` says so.
pub(super) async fn ask(db: &DatabaseConnection, limit: Limit, need: Need, recall: bool) -> Result<Answer, DbErr> {
    let txn = db.begin().await?;
    let Some(row) = lock_or_open_in(&txn, limit).await? else { return Ok(Answer::Gone) };
    let room = row.credits.0 - row.floor.0 - row.debits.0;
    let mut leases = survey_in(&txn, &row, need.known.map(|(lease, _)| lease), &need.void).await?;
    if leases.promised > room {
        // More was promised than there is: somebody edited the tables. All of it is void, and counted anew.
        tracing::error!(balance = %row.id, promised = leases.promised, room, "leases promise more than {} has: they are void", row.id);
        void_in(&txn, row.id).await?;
        leases = Survey { promised: 0, alive: false, elsewhere: 0, awaited: false };
    }
    let known = need.known.filter(|_| leases.alive);
    let (available, short) = (room - leases.promised, need.amount - known.map_or(0, |(_, free)| free));
    let answer = if short > available {
        let hope = short <= available + leases.elsewhere;
        let called = hope && recall && recall::call_in(&txn, row.id, known.map(|(lease, _)| lease)).await?;
        let recalled = called || (hope && leases.awaited);
        hold_in(&txn, row.id, leases.promised).await?;
        Answer::Short { remaining: row.remaining(), recalled }
    } else {
        let added = need.wanted.min(available / SHARE).max(short).max(0);
        Answer::Granted(grant_in(&txn, &row, known.map(|(lease, _)| lease), added, leases.promised).await?)
    };
    txn.commit().await?;
    Ok(answer)
}

/// Ends a lease: what is left of it flows back.
pub(super) async fn end(db: &DatabaseConnection, balance: BalanceId, lease: LeaseId) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    lock_in(&txn, balance).await?;
    run(&txn, "DELETE FROM lease WHERE id = $1", [lease.0.into()]).await?;
    recount_in(&txn, balance).await?;
    txn.commit().await
}

/// Gives `free` of a lease back and leaves the rest to the calls in flight.
pub(super) async fn shrink(db: &DatabaseConnection, balance: BalanceId, lease: LeaseId, free: i64) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    lock_in(&txn, balance).await?;
    let statement = "UPDATE lease SET amount = amount - $2, recalled_at = NULL WHERE id = $1 AND amount - used >= $2";
    run(&txn, statement, [lease.0.into(), free.into()]).await?;
    recount_in(&txn, balance).await?;
    txn.commit().await
}

/// Takes back what dead replicas held, of every account.
///
/// # Errors
/// When the database refuses; what was taken back stays so.
pub(in crate::metering) async fn reclaim_expired(db: &DatabaseConnection) -> Result<(), DbErr> {
    let statement = "SELECT DISTINCT balance_id FROM lease WHERE expires_at <= statement_timestamp()";
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), statement)).await? {
        let balance = BalanceId(row.try_get("", "balance_id")?);
        let txn = db.begin().await?;
        lock_in(&txn, balance).await?;
        run(&txn, "DELETE FROM lease WHERE balance_id = $1 AND expires_at <= statement_timestamp()", [balance.0.into()]).await?;
        recount_in(&txn, balance).await?;
        txn.commit().await?;
    }
    Ok(())
}

/// Makes all leases on a balance void. The caller holds its lock.
pub(super) async fn void_in(txn: &DatabaseTransaction, balance: BalanceId) -> Result<(), DbErr> {
    run(txn, "DELETE FROM lease WHERE balance_id = $1", [balance.0.into()]).await?;
    run(txn, "UPDATE balance SET epoch = epoch + 1, held = 0 WHERE id = $1", [balance.0.into()]).await.map(drop)
}

/// Locks a balance.
pub(super) async fn lock_in(txn: &DatabaseTransaction, balance: BalanceId) -> Result<(), DbErr> {
    run(txn, "SELECT 1 FROM balance WHERE id = $1 FOR UPDATE", [balance.0.into()]).await.map(drop)
}

async fn lock_or_open_in(txn: &DatabaseTransaction, limit: Limit) -> Result<Option<balance::Model>, DbErr> {
    let row = || match limit.scope {
        Scope::Credit => balance::Entity::credit_of(limit.account),
        scope => balance::Entity::find()
            .filter(balance::Column::Scope.eq(scope))
            .filter(balance::Column::ScopeId.eq(limit.id))
            .filter(balance::Column::WindowStart.eq(limit.window)),
    };
    let found = row().lock_exclusive().one(txn).await?;
    if found.is_some() || limit.scope == Scope::Credit {
        return Ok(found);
    }
    open_in(txn, limit).await?;
    row().lock_exclusive().one(txn).await
}

/// Opens the row of a window, with what the window has spent already. The lock on the credit keeps every commit of the
/// account out meanwhile, so the sum is exact.
async fn open_in(txn: &DatabaseTransaction, limit: Limit) -> Result<(), DbErr> {
    lock_in(txn, BalanceId(limit.account.0)).await?;
    let statement = format!(
        "INSERT INTO balance (id, account_id, scope, scope_id, window_start, credits, debits)
         SELECT $5, l.account_id, l.scope, $2, $3, greatest(l.amount, spent.amount), spent.amount
         FROM spend_limit l, (SELECT coalesce(sum(amount_nanos), 0)::bigint AS amount FROM usage_rollup WHERE {}) spent
         WHERE l.scope = $6 AND l.scope_id = $7 AND l.account_id = $1
         ON CONFLICT (scope, scope_id, window_start) DO NOTHING",
        spent_in(limit.scope)
    );
    let (from, to) = window(limit.scope, limit.window);
    let values = [
        limit.account.0.into(),
        limit.id.into(),
        from.into(),
        to.into(),
        BalanceId::new().0.into(),
        limit.scope.as_str().into(),
        limit.set_for().into(),
    ];
    run(txn, &statement, values).await.map(drop)
}

/// Which rollups count under a limit: `$1` is the account, `$2` the period or key, `$3` to `$4` the window.
pub(super) fn spent_in(scope: Scope) -> &'static str {
    match scope {
        Scope::Credit => "account_id = $1 AND $2::uuid = $1 AND $3::timestamptz < $4::timestamptz",
        Scope::Period => "account_id = $1 AND period_id = $2 AND $3::timestamptz < $4::timestamptz",
        Scope::Month | Scope::Week | Scope::Day => "account_id = $1 AND key_id = $2 AND hour >= $3 AND hour < $4",
    }
}

async fn survey_in(txn: &DatabaseTransaction, row: &balance::Model, own: Option<LeaseId>, void: &[LeaseId]) -> Result<Survey, DbErr> {
    let ids: Vec<uuid::Uuid> = void.iter().map(|lease| lease.0).collect();
    let values = [row.id.0.into(), row.epoch.into(), own.map(|lease| lease.0).into(), recall::PATIENCE_MS.into(), ids.into()];
    let found = txn.query_one_raw(Statement::from_sql_and_values(txn.get_database_backend(), include_str!("survey.sql"), values)).await?;
    let found = found.ok_or_else(|| DbErr::RecordNotFound("a sum has always one row".into()))?;
    Ok(Survey {
        promised: found.try_get("", "promised")?,
        alive: found.try_get("", "alive")?,
        elsewhere: found.try_get("", "elsewhere")?,
        awaited: found.try_get("", "awaited")?,
    })
}

async fn grant_in(
    txn: &DatabaseTransaction,
    row: &balance::Model,
    known: Option<LeaseId>,
    added: i64,
    promised: i64,
) -> Result<Grant, DbErr> {
    let lease = known.unwrap_or_else(LeaseId::new);
    let statement = "INSERT INTO lease (id, balance_id, replica, amount, epoch, expires_at)
        VALUES ($1, $2, $3, $4, $5, statement_timestamp() + $6 * interval '1 second')
        ON CONFLICT (id) DO UPDATE SET amount = lease.amount + excluded.amount, expires_at = excluded.expires_at";
    let life = (LIFETIME.as_secs() as i64).into();
    run(txn, statement, [lease.0.into(), row.id.0.into(), replica().into(), added.into(), row.epoch.into(), life]).await?;
    hold_in(txn, row.id, promised + added).await?;
    let terms = match (known, row.scope) {
        (None, Scope::Credit) => terms_in(txn, row.account_id).await?.map(Arc::new),
        _ => None,
    };
    Ok(Grant { lease, balance: row.id, added, fresh: known.is_none(), terms })
}

/// This process, for whoever reads the table; no rule depends on it.
fn replica() -> uuid::Uuid {
    static REPLICA: std::sync::OnceLock<uuid::Uuid> = std::sync::OnceLock::new();
    *REPLICA.get_or_init(uuid::Uuid::now_v7)
}

async fn terms_in(txn: &DatabaseTransaction, account: AccountId) -> Result<Option<Terms>, DbErr> {
    Ok(Terms::read(&spend_limit::Entity::of(account).all(txn).await?))
}

/// Sets what leases hold of a balance.
async fn hold_in(txn: &DatabaseTransaction, balance: BalanceId, held: i64) -> Result<(), DbErr> {
    run(txn, "UPDATE balance SET held = $2 WHERE id = $1 AND held <> $2", [balance.0.into(), held.into()]).await.map(drop)
}

/// Counts what leases hold of a balance: right even after somebody edited the table. Where they promise more than there is,
/// all of them are void: one account whose leases were edited keeps no other's from being taken back.
async fn recount_in(txn: &DatabaseTransaction, balance: BalanceId) -> Result<(), DbErr> {
    let statement = "UPDATE balance SET held = leases.promised
        FROM (SELECT coalesce(sum(amount - used), 0) AS promised FROM lease WHERE balance_id = $1) leases
        WHERE id = $1 AND leases.promised <= credits - floor - debits";
    if run(txn, statement, [balance.0.into()]).await? == 0 {
        void_in(txn, balance).await?;
    }
    Ok(())
}

pub(super) async fn run<const N: usize>(txn: &DatabaseTransaction, text: &str, values: [Value; N]) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), text, values);
    Ok(txn.execute_raw(statement).await?.rows_affected())
}
