//! The transaction of a batch: lock and count, rate, write, commit.

use std::collections::{BTreeSet, HashSet};

use entity::ids::{AccountId, PeriodId, PriceId};
use sea_orm::sqlx::{self, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::rate::{self, Rated, Tally};
use super::{Committed, Failed, Rejected, Usage, rows};

/// Commits all of the calls or none. Also says what stood under the locks before them and stands there after them.
pub(super) async fn transaction(connection: &mut PgConnection, calls: &[&Usage]) -> Result<(Vec<Committed>, Tally, Tally), Failed> {
    let mut txn = connection.begin().await?;
    let (rated, before, after) = match write_in(&mut txn, calls).await {
        Ok(written) => written,
        Err(failed) => {
            // At once: a transaction that is only dropped holds its locks until its connection is used again.
            drop(txn.rollback().await);
            return Err(failed);
        }
    };
    txn.commit().await?;
    Ok((rated.committed, before, after))
}

async fn write_in(txn: &mut PgConnection, calls: &[&Usage]) -> Result<(Rated, Tally, Tally), Failed> {
    let before = lock(txn, calls).await?;
    let mut after = before.clone();
    let rated = rate::rate(calls, &mut after)?;
    write(txn, calls, &rated).await?;
    Ok((rated, before, after))
}

/// The periods and the balances that a batch locks.
pub(super) fn locks(calls: &[&Usage]) -> [Vec<Uuid>; 2] {
    let periods: BTreeSet<Uuid> = calls.iter().map(|call| call.period().0).collect();
    let balances: BTreeSet<Uuid> = calls.iter().flat_map(|call| call.hold.balances()).map(|balance| balance.0).collect();
    [periods, balances].map(Vec::from_iter)
}

async fn lock(txn: &mut PgConnection, calls: &[&Usage]) -> Result<Tally, Failed> {
    let counts = rate::counts(calls);
    let [periods, balances] = locks(calls);
    let query = sqlx::query(include_str!("lock.sql"))
        .bind(periods)
        .bind(balances)
        .bind(counts.keys().map(|(period, _)| period.0).collect::<Vec<_>>())
        .bind(counts.keys().map(|(_, price)| price.0).collect::<Vec<_>>())
        .bind(counts.values().copied().collect::<Vec<_>>());
    let (mut open, mut tally) = (HashSet::new(), Tally::default());
    for row in query.fetch_all(txn).await? {
        let id: Uuid = row.try_get("id")?;
        match row.try_get("kind")? {
            "period" => drop(open.insert(PeriodId(id))),
            // The credit's id is the account's.
            "balance" => drop(tally.remaining.insert(AccountId(id), row.try_get("number")?)),
            _ => {
                let key = (PeriodId(id), PriceId(row.try_get("price_id")?));
                tally.counted.insert(key, row.try_get::<i64, _>("number")? - counts[&key]);
            }
        }
    }
    let closed: Vec<_> = (0..calls.len()).filter(|&position| !open.contains(&calls[position].period())).collect();
    if !closed.is_empty() {
        return Err(Failed::Calls(closed.into_iter().map(|position| (position, Rejected::PeriodClosed)).collect()));
    }
    Ok(tally)
}

async fn write(txn: &mut PgConnection, calls: &[&Usage], rated: &Rated) -> Result<(), Failed> {
    duplicates(twice(calls))?;
    let rows = rows::bind(sqlx::query(include_str!("write.sql")), calls, rated).fetch_all(txn).await?;
    // Ids of leases and of events never meet.
    let done = rows.iter().map(|row| row.try_get::<Uuid, _>(0)).collect::<Result<HashSet<_>, _>>()?;
    let fenced: Vec<_> = (0..calls.len()).filter(|&position| calls[position].hold.leases().any(|lease| !done.contains(&lease.0))).collect();
    if !fenced.is_empty() {
        return Err(Failed::Calls(fenced.into_iter().map(|position| (position, Rejected::Fenced)).collect()));
    }
    let second = |&position: &usize| calls[position].record.is_some() && !done.contains(&calls[position].event.0);
    duplicates((0..calls.len()).filter(second).collect())
}

/// The calls whose idempotency key another call of the batch has, and was first.
pub(super) fn twice(calls: &[&Usage]) -> Vec<usize> {
    let mut keys = HashSet::new();
    let second = |&position: &usize| {
        let call = calls[position];
        call.record.as_ref().is_some_and(|record| !keys.insert((call.account(), record.key.as_str())))
    };
    (0..calls.len()).filter(second).collect()
}

fn duplicates(out: Vec<usize>) -> Result<(), Failed> {
    if out.is_empty() {
        return Ok(());
    }
    Err(Failed::Calls(out.into_iter().map(|position| (position, Rejected::Duplicate)).collect()))
}
