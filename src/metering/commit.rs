//! One transaction for a batch of calls: events, idempotency records, rollups, counters, settlement of leases.
//!
//! Locks are taken in one order by everyone, so that no two batches can wait for each other: periods, balances, leases,
//! counters, rollups; within a table by id. A batch that fails is tried again one call at a time: a poisoned call fails
//! alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DurationRound as _, TimeDelta};
use entity::ids::{AccountId, EventId, KeyId, LeaseId, PeriodId, PriceId, RequestId};
use entity::money::{Nanos, Overflow};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, Statement, TransactionTrait as _, Value};
use uuid::Uuid;

use super::limits::Hold;
use crate::platform::db;

/// What a quantity costs, given the quantity that the period had before it: `f(before + quantity) - f(before)`.
pub type Charge = Arc<dyn Fn(i64, i64) -> Result<Nanos, Overflow> + Send + Sync>;

/// A call that was served and is to be metered.
pub struct Usage {
    pub event: EventId,
    pub account: AccountId,
    pub key: KeyId,
    pub period: PeriodId,
    pub price: PriceId,
    pub task: &'static str,
    pub model: String,
    pub model_version: String,
    pub request: RequestId,
    pub quantity: i64,
    pub pixels: i64,
    /// Microseconds of device time: this call's share of its batch.
    pub compute_us: i64,
    /// In the account's own time.
    pub at: entity::Time,
    pub charge: Charge,
    /// What was reserved for it: at least what it will cost.
    pub hold: Hold,
    pub record: Option<Record>,
}

/// Builds an answer once its amount is known.
pub type Render = Box<dyn Fn(&Committed) -> Vec<u8> + Send + Sync>;

/// The answer to keep for retries with the same key.
pub struct Record {
    pub key: String,
    pub route: &'static str,
    pub fingerprint: [u8; 32],
    /// Wall time, of which the 24 hours count.
    pub now: entity::Time,
    pub render: Render,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub event: EventId,
    pub amount: Nanos,
    /// Credit that the account has left.
    pub remaining: Nanos,
}

/// Why a call was not metered, and so must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The period was closed since the call was admitted: admit again and commit again.
    #[error("the billing period was closed meanwhile")]
    PeriodClosed,
    /// The lease it was reserved from ran out.
    #[error("the reservation ran out")]
    Fenced,
    /// Another call with the same idempotency key was committed first.
    #[error("another call with the same idempotency key was first")]
    Duplicate,
    /// The database did not take it.
    #[error("the database did not take it")]
    Unavailable,
}

/// Why a transaction was rolled back.
enum Failed {
    /// These calls are out; the others can be tried again without them.
    Calls(Rejected, Vec<usize>),
    Database(DbErr),
}

impl From<DbErr> for Failed {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Commits a batch; one outcome per call, in order.
pub(super) async fn batch(db: &DatabaseConnection, usages: Vec<Usage>) -> Vec<Result<Committed, Rejected>> {
    let mut outcomes: Vec<Option<Result<Committed, Rejected>>> = usages.iter().map(|_| None).collect();
    let mut pending: Vec<usize> = (0..usages.len()).collect();
    while !pending.is_empty() {
        let calls: Vec<&Usage> = pending.iter().map(|&index| &usages[index]).collect();
        match transaction(db, &calls).await {
            Ok(committed) => {
                for (&index, outcome) in pending.iter().zip(committed) {
                    outcomes[index] = Some(Ok(outcome));
                }
                break;
            }
            Err(Failed::Calls(reason, out)) => {
                for &position in &out {
                    outcomes[pending[position]] = Some(Err(reason));
                }
                let mut position = 0;
                pending.retain(|_| {
                    position += 1;
                    !out.contains(&(position - 1))
                });
            }
            Err(Failed::Database(error)) => {
                tracing::warn!(%error, metering.calls = pending.len(), "a batch failed; its calls are tried one by one");
                for &index in &pending {
                    outcomes[index] = Some(alone(db, &usages[index]).await);
                }
                break;
            }
        }
    }
    usages.into_iter().zip(outcomes).map(|(usage, outcome)| finish(usage, outcome.unwrap_or(Err(Rejected::Unavailable)))).collect()
}

async fn alone(db: &DatabaseConnection, usage: &Usage) -> Result<Committed, Rejected> {
    match transaction(db, &[usage]).await {
        Ok(committed) => committed.into_iter().next().ok_or(Rejected::Unavailable),
        Err(Failed::Calls(reason, _)) => Err(reason),
        Err(Failed::Database(error)) => {
            tracing::warn!(%error, "a call could not be metered by itself");
            if db::is_unique_violation(&error) { committed_before(db, usage).await } else { Err(Rejected::Unavailable) }
        }
    }
}

/// The first COMMIT came through and only its acknowledgement was lost: the event is there, so the call is answered.
async fn committed_before(db: &DatabaseConnection, usage: &Usage) -> Result<Committed, Rejected> {
    let sql =
        "SELECT e.amount_nanos, b.credits - b.debits AS remaining FROM usage_event e JOIN balance b USING (account_id) WHERE e.id = $1";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [usage.event.0.into()]);
    let row = db.query_one_raw(statement).await.map_err(|_| Rejected::Unavailable)?.ok_or(Rejected::Duplicate)?;
    let read = |column| row.try_get("", column).map(Nanos).map_err(|_| Rejected::Unavailable);
    Ok(Committed { event: usage.event, amount: read("amount_nanos")?, remaining: read("remaining")? })
}

/// What was reserved and not spent goes back to the lease in memory.
fn finish(usage: Usage, outcome: Result<Committed, Rejected>) -> Result<Committed, Rejected> {
    match &outcome {
        Ok(committed) => usage.hold.settle(committed.amount),
        // Unknown whether the COMMIT came through: the slice is not spent again before the database says what is left.
        Err(Rejected::Unavailable) => usage.hold.forfeit(),
        Err(_) => drop(usage.hold),
    }
    outcome
}

async fn transaction(db: &DatabaseConnection, calls: &[&Usage]) -> Result<Vec<Committed>, Failed> {
    let txn = db.begin().await?;
    lock_open_periods(&txn, calls).await?;
    let balances = lock_balances(&txn, calls).await?;
    let befores = count(&txn, calls).await?;
    let mut amounts = Vec::with_capacity(calls.len());
    for (position, (call, before)) in calls.iter().zip(&befores).enumerate() {
        match (call.charge)(*before, call.quantity) {
            // More than was reserved would be an overspend; the admission reserves the worst price, so this is a bug.
            Ok(amount) if amount <= call.hold.amount() => amounts.push(amount),
            _ => return Err(Failed::Calls(Rejected::Unavailable, vec![position])),
        }
    }
    settle(&txn, calls, &amounts).await?;
    let committed = receipts(calls, &amounts, balances);
    insert_events(&txn, calls, &befores, &amounts).await?;
    insert_records(&txn, calls, &committed).await?;
    add_rollups(&txn, calls, &amounts).await?;
    txn.commit().await?;
    Ok(committed)
}

fn statement(txn: &DatabaseTransaction, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(txn.get_database_backend(), sql, values)
}

/// Locks the periods against closing until this commits: an event is either in the period or after its cut.
async fn lock_open_periods(txn: &DatabaseTransaction, calls: &[&Usage]) -> Result<(), Failed> {
    let ids: Vec<Uuid> = calls.iter().map(|call| call.period.0).collect();
    let sql = "SELECT id FROM period WHERE id = ANY($1) AND state = 'open' ORDER BY id FOR SHARE";
    let rows = txn.query_all_raw(statement(txn, sql, vec![ids.into()])).await?;
    let open = rows.iter().map(|row| row.try_get::<Uuid>("", "id")).collect::<Result<Vec<_>, _>>()?;
    let out: Vec<usize> = (0..calls.len()).filter(|&position| !open.contains(&calls[position].period.0)).collect();
    if out.is_empty() { Ok(()) } else { Err(Failed::Calls(Rejected::PeriodClosed, out)) }
}

/// Locks the balances and returns what each account has left before this batch.
async fn lock_balances(txn: &DatabaseTransaction, calls: &[&Usage]) -> Result<HashMap<AccountId, i64>, Failed> {
    let ids: Vec<Uuid> = calls.iter().map(|call| call.account.0).collect();
    let sql = "SELECT account_id, credits - debits AS remaining FROM balance WHERE account_id = ANY($1) ORDER BY account_id FOR UPDATE";
    let rows = txn.query_all_raw(statement(txn, sql, vec![ids.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| Ok((AccountId(row.try_get("", "account_id")?), row.try_get("", "remaining")?)))
        .collect::<Result<_, DbErr>>()?)
}

/// Raises the counters and returns, per call, the quantity before it.
async fn count(txn: &DatabaseTransaction, calls: &[&Usage]) -> Result<Vec<i64>, Failed> {
    let mut sums: BTreeMap<(PeriodId, PriceId), i64> = BTreeMap::new();
    for call in calls {
        *sums.entry((call.period, call.price)).or_default() += call.quantity;
    }
    let sql = "INSERT INTO usage_counter AS c (period_id, price_id, quantity)
               SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[])
               ON CONFLICT (period_id, price_id) DO UPDATE SET quantity = c.quantity + excluded.quantity
               RETURNING period_id, price_id, quantity";
    let (periods, prices, quantities) = columns3(sums.iter().map(|((period, price), sum)| (period.0, price.0, *sum)));
    let rows = txn.query_all_raw(statement(txn, sql, vec![periods.into(), prices.into(), quantities.into()])).await?;
    let mut next = HashMap::new();
    for row in &rows {
        let key = (PeriodId(row.try_get("", "period_id")?), PriceId(row.try_get("", "price_id")?));
        next.insert(key, row.try_get::<i64>("", "quantity")? - sums[&key]);
    }
    Ok(calls
        .iter()
        .map(|call| {
            let before = next.entry((call.period, call.price)).or_default();
            let own = *before;
            *before += call.quantity;
            own
        })
        .collect())
}

/// Moves what was spent from held to debits. A lease that ran out moves nothing: its calls are out.
async fn settle(txn: &DatabaseTransaction, calls: &[&Usage], amounts: &[Nanos]) -> Result<(), Failed> {
    let (mut by_lease, mut by_account) = (BTreeMap::<LeaseId, i64>::new(), BTreeMap::<AccountId, i64>::new());
    for (call, amount) in calls.iter().zip(amounts) {
        *by_lease.entry(call.hold.lease()).or_default() += amount.0;
        *by_account.entry(call.account).or_default() += amount.0;
    }
    // The database's clock decides when a lease ends: replicas' clocks may differ.
    let sql = "UPDATE lease SET used = used + spent.amount
               FROM UNNEST($1::uuid[], $2::bigint[]) AS spent(id, amount)
               WHERE lease.id = spent.id AND lease.expires_at > clock_timestamp() RETURNING lease.id";
    let (leases, spent) = columns2(by_lease.iter().map(|(id, sum)| (id.0, *sum)));
    let rows = txn.query_all_raw(statement(txn, sql, vec![leases.into(), spent.into()])).await?;
    let live = rows.iter().map(|row| row.try_get::<Uuid>("", "id")).collect::<Result<Vec<_>, _>>()?;
    let out: Vec<usize> = (0..calls.len()).filter(|&position| !live.contains(&calls[position].hold.lease().0)).collect();
    if !out.is_empty() {
        return Err(Failed::Calls(Rejected::Fenced, out));
    }
    let sql = "UPDATE balance SET held = held - spent.amount, debits = debits + spent.amount
               FROM UNNEST($1::uuid[], $2::bigint[]) AS spent(id, amount) WHERE account_id = spent.id";
    let (accounts, spent) = columns2(by_account.iter().map(|(id, sum)| (id.0, *sum)));
    txn.execute_raw(statement(txn, sql, vec![accounts.into(), spent.into()])).await?;
    Ok(())
}

fn receipts(calls: &[&Usage], amounts: &[Nanos], mut remaining: HashMap<AccountId, i64>) -> Vec<Committed> {
    calls
        .iter()
        .zip(amounts)
        .map(|(call, &amount)| {
            let left = remaining.entry(call.account).or_default();
            *left -= amount.0;
            Committed { event: call.event, amount, remaining: Nanos(*left) }
        })
        .collect()
}

async fn insert_events(txn: &DatabaseTransaction, calls: &[&Usage], befores: &[i64], amounts: &[Nanos]) -> Result<(), Failed> {
    fn of<T>(calls: &[&Usage], field: impl Fn(&Usage) -> T) -> Vec<T> {
        calls.iter().map(|call| field(call)).collect()
    }
    let sql = "INSERT INTO usage_event (id, account_id, key_id, period_id, price_id, task, model, model_version, request_id,
                                        quantity, quantity_before, amount_nanos, pixels, compute_us, at)
               SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                                    $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::timestamptz[])";
    let values = vec![
        of(calls, |call| call.event.0).into(),
        of(calls, |call| call.account.0).into(),
        of(calls, |call| call.key.0).into(),
        of(calls, |call| call.period.0).into(),
        of(calls, |call| call.price.0).into(),
        of(calls, |call| call.task.to_owned()).into(),
        of(calls, |call| call.model.clone()).into(),
        of(calls, |call| call.model_version.clone()).into(),
        of(calls, |call| call.request.0).into(),
        of(calls, |call| call.quantity).into(),
        befores.to_vec().into(),
        amounts.iter().map(|amount| amount.0).collect::<Vec<_>>().into(),
        of(calls, |call| call.pixels).into(),
        of(calls, |call| call.compute_us).into(),
        of(calls, |call| call.at).into(),
    ];
    txn.execute_raw(statement(txn, sql, values)).await?;
    Ok(())
}

/// A key whose 24 hours are over may be used anew; a live one raises the unique violation that makes this call the second.
async fn insert_records(txn: &DatabaseTransaction, calls: &[&Usage], committed: &[Committed]) -> Result<(), Failed> {
    for (position, (call, committed)) in calls.iter().zip(committed).enumerate() {
        let Some(record) = &call.record else { continue };
        let sql = "INSERT INTO idempotency AS old (account_id, key, route, fingerprint, event_id, answer, created_at, expires_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT (account_id, key) DO UPDATE SET route = excluded.route, fingerprint = excluded.fingerprint,
                       event_id = excluded.event_id, answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
                   WHERE old.expires_at <= excluded.created_at";
        let values = vec![
            call.account.0.into(),
            record.key.clone().into(),
            record.route.into(),
            record.fingerprint.to_vec().into(),
            call.event.0.into(),
            (record.render)(committed).into(),
            record.now.into(),
            (record.now + super::idempotency::LIFETIME).into(),
        ];
        if txn.execute_raw(statement(txn, sql, values)).await?.rows_affected() == 0 {
            return Err(Failed::Calls(Rejected::Duplicate, vec![position]));
        }
    }
    Ok(())
}

async fn add_rollups(txn: &DatabaseTransaction, calls: &[&Usage], amounts: &[Nanos]) -> Result<(), Failed> {
    type Group = (Uuid, Uuid, Uuid, Uuid, String, entity::Time);
    let mut sums: BTreeMap<Group, (i64, i64, i64)> = BTreeMap::new();
    for (call, amount) in calls.iter().zip(amounts) {
        // An instant within a few centuries of today has an hour.
        let hour = call.at.duration_trunc(TimeDelta::hours(1)).unwrap_or(call.at);
        let sum = sums.entry((call.account.0, call.period.0, call.price.0, call.key.0, call.model.clone(), hour)).or_default();
        *sum = (sum.0 + 1, sum.1 + call.quantity, sum.2 + amount.0);
    }
    let sql = "INSERT INTO usage_rollup AS r (account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos)
               SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::bigint[])
               ON CONFLICT (account_id, period_id, price_id, key_id, model, hour) DO UPDATE
               SET events = r.events + excluded.events, quantity = r.quantity + excluded.quantity, amount_nanos = r.amount_nanos + excluded.amount_nanos";
    let groups: Vec<(Group, (i64, i64, i64))> = sums.into_iter().collect();
    let values = vec![
        groups.iter().map(|(group, _)| group.0).collect::<Vec<_>>().into(),
        groups.iter().map(|(group, _)| group.1).collect::<Vec<_>>().into(),
        groups.iter().map(|(group, _)| group.2).collect::<Vec<_>>().into(),
        groups.iter().map(|(group, _)| group.3).collect::<Vec<_>>().into(),
        groups.iter().map(|(group, _)| group.4.clone()).collect::<Vec<_>>().into(),
        groups.iter().map(|(group, _)| group.5).collect::<Vec<_>>().into(),
        groups.iter().map(|(_, sum)| sum.0).collect::<Vec<_>>().into(),
        groups.iter().map(|(_, sum)| sum.1).collect::<Vec<_>>().into(),
        groups.iter().map(|(_, sum)| sum.2).collect::<Vec<_>>().into(),
    ];
    txn.execute_raw(statement(txn, sql, values)).await?;
    Ok(())
}

fn columns2<A, B>(rows: impl Iterator<Item = (A, B)>) -> (Vec<A>, Vec<B>) {
    rows.unzip()
}

fn columns3<A, B, C>(rows: impl Iterator<Item = (A, B, C)>) -> (Vec<A>, Vec<B>, Vec<C>) {
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        a.push(row.0);
        b.push(row.1);
        c.push(row.2);
    }
    (a, b, c)
}
