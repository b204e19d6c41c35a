//! The transaction of a batch: lock and count, rate, write, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DurationRound as _, TimeDelta};
use entity::ids::{AccountId, LeaseId, PeriodId, PriceId};
use entity::money::Nanos;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, QueryResult, Statement, TransactionTrait as _, Value};
use uuid::Uuid;

use super::{Committed, Failed, Record, Rejected, Usage};
use crate::metering::digest::Digest;

/// Commits all of the calls or none.
pub(super) async fn transaction(db: &DatabaseConnection, calls: &[&Usage]) -> Result<Vec<Committed>, Failed> {
    let txn = db.begin().await?;
    let Locked { befores, remaining } = lock(&txn, calls).await?;
    let amounts = rate(calls, &befores)?;
    let committed = receipts(calls, &amounts, remaining);
    write(&txn, calls, &befores, &committed).await?;
    txn.commit().await?;
    Ok(committed)
}

/// What stood where the locks are.
struct Locked {
    /// Per call, what its price had counted before it.
    befores: Vec<i64>,
    /// Credit that was left before the batch.
    remaining: HashMap<AccountId, i64>,
}

async fn query(txn: &DatabaseTransaction, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, Failed> {
    Ok(txn.query_all_raw(Statement::from_sql_and_values(txn.get_database_backend(), sql, values)).await?)
}

async fn lock(txn: &DatabaseTransaction, calls: &[&Usage]) -> Result<Locked, Failed> {
    let periods: BTreeSet<Uuid> = calls.iter().map(|call| call.period().0).collect();
    let balances: BTreeSet<Uuid> = calls.iter().flat_map(|call| call.hold.balances()).map(|balance| balance.0).collect();
    let mut sums: BTreeMap<(PeriodId, PriceId), i64> = BTreeMap::new();
    for call in calls {
        *sums.entry((call.period(), call.price)).or_default() += call.quantity;
    }
    let values = vec![
        Vec::from_iter(periods).into(),
        Vec::from_iter(balances).into(),
        sums.keys().map(|(period, _)| period.0).collect::<Vec<_>>().into(),
        sums.keys().map(|(_, price)| price.0).collect::<Vec<_>>().into(),
        sums.values().copied().collect::<Vec<_>>().into(),
    ];
    let (mut open, mut remaining, mut next) = (HashSet::new(), HashMap::new(), HashMap::new());
    for row in query(txn, include_str!("lock.sql"), values).await? {
        let id: Uuid = row.try_get("", "id")?;
        match row.try_get::<String>("", "kind")?.as_str() {
            "period" => drop(open.insert(PeriodId(id))),
            // The credit's id is the account's.
            "balance" => drop(remaining.insert(AccountId(id), row.try_get("", "number")?)),
            _ => {
                let key = (PeriodId(id), PriceId(row.try_get("", "price_id")?));
                next.insert(key, row.try_get::<i64>("", "number")? - sums[&key]);
            }
        }
    }
    let closed: Vec<_> = (0..calls.len()).filter(|&position| !open.contains(&calls[position].period())).collect();
    if !closed.is_empty() {
        return Err(Failed::Calls(closed.into_iter().map(|position| (position, Rejected::PeriodClosed)).collect()));
    }
    let before = |call: &&Usage| {
        let before = next.entry((call.period(), call.price)).or_default();
        *before += call.quantity;
        *before - call.quantity
    };
    Ok(Locked { befores: calls.iter().map(before).collect(), remaining })
}

fn rate(calls: &[&Usage], befores: &[i64]) -> Result<Vec<Nanos>, Failed> {
    let mut amounts = Vec::with_capacity(calls.len());
    for (position, (call, before)) in calls.iter().zip(befores).enumerate() {
        match (call.charge)(*before, call.quantity) {
            // More than was reserved would be an overspend; the admission reserves the worst price, so this is a bug.
            Ok(amount) if amount <= call.hold.amount() => amounts.push(amount),
            _ => return Err(Failed::Calls(vec![(position, Rejected::Unavailable)])),
        }
    }
    Ok(amounts)
}

fn receipts(calls: &[&Usage], amounts: &[Nanos], mut remaining: HashMap<AccountId, i64>) -> Vec<Committed> {
    let receipt = |(call, &amount): (&&Usage, &Nanos)| {
        let left = remaining.entry(call.account()).or_default();
        *left -= amount.0;
        Committed { event: call.event, quantity: call.quantity, amount, remaining: Nanos(*left) }
    };
    calls.iter().zip(amounts).map(receipt).collect()
}

async fn write(txn: &DatabaseTransaction, calls: &[&Usage], befores: &[i64], committed: &[Committed]) -> Result<(), Failed> {
    let mut keys = HashSet::new();
    let twice = (0..calls.len()).filter(|&position| {
        let call = calls[position];
        call.record.as_ref().is_some_and(|record| !keys.insert((call.account(), record.key.as_str())))
    });
    duplicates(twice.collect())?;
    let values =
        [spent(calls, committed), events(calls, befores, committed), rollups(calls, befores, committed), records(calls, committed)];
    let rows = query(txn, include_str!("write.sql"), values.into_iter().flatten().collect()).await?;
    // Ids of leases and of events never meet.
    let done = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0)).collect::<Result<HashSet<_>, _>>()?;
    let fenced: Vec<_> = (0..calls.len()).filter(|&position| calls[position].hold.leases().any(|lease| !done.contains(&lease.0))).collect();
    if !fenced.is_empty() {
        return Err(Failed::Calls(fenced.into_iter().map(|position| (position, Rejected::Fenced)).collect()));
    }
    let second = |&position: &usize| calls[position].record.is_some() && !done.contains(&calls[position].event.0);
    duplicates((0..calls.len()).filter(second).collect())
}

fn duplicates(out: Vec<usize>) -> Result<(), Failed> {
    if out.is_empty() {
        return Ok(());
    }
    Err(Failed::Calls(out.into_iter().map(|position| (position, Rejected::Duplicate)).collect()))
}

/// A column of the calls.
fn column<T>(calls: &[&Usage], field: impl Fn(&Usage) -> T) -> Value
where
    Vec<T>: Into<Value>,
{
    calls.iter().map(|call| field(call)).collect::<Vec<T>>().into()
}

/// Leases and what was spent of them: `$1`, `$2` of write.sql.
fn spent(calls: &[&Usage], committed: &[Committed]) -> Vec<Value> {
    let mut sums = BTreeMap::<LeaseId, i64>::new();
    for (call, committed) in calls.iter().zip(committed) {
        for lease in call.hold.leases() {
            *sums.entry(lease).or_default() += committed.amount.0;
        }
    }
    vec![sums.keys().map(|lease| lease.0).collect::<Vec<_>>().into(), sums.into_values().collect::<Vec<_>>().into()]
}

/// `$3` to `$17` of write.sql.
fn events(calls: &[&Usage], befores: &[i64], committed: &[Committed]) -> Vec<Value> {
    vec![
        column(calls, |call| call.event.0),
        column(calls, |call| call.account().0),
        column(calls, |call| call.key().0),
        column(calls, |call| call.period().0),
        column(calls, |call| call.price.0),
        column(calls, |call| call.request.0),
        column(calls, |call| call.task.to_owned()),
        column(calls, |call| call.model.clone()),
        column(calls, |call| call.model_version.clone()),
        column(calls, |call| call.quantity),
        befores.to_vec().into(),
        committed.iter().map(|committed| committed.amount.0).collect::<Vec<_>>().into(),
        column(calls, |call| call.pixels),
        column(calls, |call| call.compute_us),
        column(calls, Usage::at),
    ]
}

/// `$18` to `$27` of write.sql.
fn rollups(calls: &[&Usage], befores: &[i64], committed: &[Committed]) -> Vec<Value> {
    type Group<'a> = (Uuid, Uuid, Uuid, Uuid, &'a str, entity::Time);
    let mut sums: BTreeMap<Group<'_>, ([i64; 3], Digest)> = BTreeMap::new();
    for ((call, before), committed) in calls.iter().zip(befores).zip(committed) {
        // An instant within a few centuries of today has an hour.
        let hour = call.at().duration_trunc(TimeDelta::hours(1)).unwrap_or(call.at());
        let group = (call.account().0, call.period().0, call.price.0, call.key().0, call.model.as_str(), hour);
        let (sum, digest) = sums.entry(group).or_default();
        *sum = [sum[0] + 1, sum[1] + call.quantity, sum[2] + committed.amount.0];
        digest.add(Digest::of_event(call.event, call.price, (*before, call.quantity), committed.amount, call.at()));
    }
    vec![
        sums.keys().map(|group| group.0).collect::<Vec<_>>().into(),
        sums.keys().map(|group| group.1).collect::<Vec<_>>().into(),
        sums.keys().map(|group| group.2).collect::<Vec<_>>().into(),
        sums.keys().map(|group| group.3).collect::<Vec<_>>().into(),
        sums.keys().map(|group| group.4.to_owned()).collect::<Vec<_>>().into(),
        sums.keys().map(|group| group.5).collect::<Vec<_>>().into(),
        sums.values().map(|(sum, _)| sum[0]).collect::<Vec<_>>().into(),
        sums.values().map(|(sum, _)| sum[1]).collect::<Vec<_>>().into(),
        sums.values().map(|(sum, _)| sum[2]).collect::<Vec<_>>().into(),
        sums.values().map(|(_, digest)| digest.decimal()).collect::<Vec<_>>().into(),
    ]
}

/// `$28` to `$35` of write.sql.
fn records(calls: &[&Usage], committed: &[Committed]) -> Vec<Value> {
    let kept: Vec<(&Usage, &Record, &Committed)> =
        calls.iter().zip(committed).filter_map(|(call, committed)| Some((*call, call.record.as_ref()?, committed))).collect();
    vec![
        kept.iter().map(|(call, _, _)| call.account().0).collect::<Vec<_>>().into(),
        kept.iter().map(|(call, _, _)| call.event.0).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, _)| record.key.clone()).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, _)| record.route.to_owned()).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, _)| record.fingerprint.to_vec()).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, committed)| (record.render)(committed)).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, _)| record.now).collect::<Vec<_>>().into(),
        kept.iter().map(|(_, record, _)| record.now + record.keep).collect::<Vec<_>>().into(),
    ]
}
