//! A batch in one statement, without a transaction around it: for accounts that nobody but this process meters at the moment.
//!
//! What stands under the locks is remembered from the batch before, the amounts are computed from that, and the statement
//! fails as a whole when anything stands otherwise once it has the locks. Then [`transaction`](super::transaction) does it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use entity::ids::{AccountId, PeriodId, PriceId};
use sea_orm::sqlx::{self, PgConnection};

use super::rate::{self, Tally};
use super::transaction::{locks, twice};
use super::{Committed, Usage, rows};

/// Counters and credits that are remembered; with more, all are forgotten. Each takes some 50 bytes.
const ENTRIES: usize = 200_000;

/// A number as this process last left it.
#[derive(Debug, Clone, Copy)]
struct Left {
    number: i64,
    /// It was found as it had been left before: nobody else seems to write it.
    alone: bool,
}

/// What this process remembers of what stands under the locks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    counted: HashMap<(PeriodId, PriceId), Left>,
    remaining: HashMap<AccountId, Left>,
}

impl Memory {
    /// What will stand under the locks of a batch, when all of it is known.
    fn of(&self, calls: &[&Usage]) -> Option<Tally> {
        let mut tally = Tally::default();
        for call in calls {
            let key = (call.period(), call.price);
            let (counted, remaining) = (self.counted.get(&key)?, self.remaining.get(&call.account())?);
            if !(counted.alone && remaining.alone) {
                return None;
            }
            tally.counted.insert(key, counted.number);
            tally.remaining.insert(call.account(), remaining.number);
        }
        Some(tally)
    }

    /// A batch was committed that found `before` and left `after`.
    pub(super) fn learn(&mut self, before: &Tally, after: Tally) {
        if self.counted.len() + self.remaining.len() > ENTRIES {
            *self = Self::default();
        }
        after.counted.into_iter().for_each(|(key, number)| leave(&mut self.counted, key, before.counted.get(&key), number));
        after.remaining.into_iter().for_each(|(key, number)| leave(&mut self.remaining, key, before.remaining.get(&key), number));
    }

    fn forget(&mut self, calls: &[&Usage]) {
        for call in calls {
            self.counted.remove(&(call.period(), call.price));
            self.remaining.remove(&call.account());
        }
    }
}

fn leave<K: Eq + Hash>(all: &mut HashMap<K, Left>, key: K, found: Option<&i64>, number: i64) {
    match all.entry(key) {
        Entry::Occupied(mut entry) => {
            let left = entry.get_mut();
            *left = Left { number, alone: found == Some(&left.number) };
        }
        Entry::Vacant(entry) => drop(entry.insert(Left { number, alone: false })),
    }
}

/// Commits all of the calls or none.
pub(super) async fn at_once(connection: &mut PgConnection, memory: &mut Memory, calls: &[&Usage]) -> Tried {
    let Some(mut tally) = memory.of(calls).filter(|_| twice(calls).is_empty()) else { return Tried::Not };
    let before = tally.clone();
    let Ok(rated) = rate::rate(calls, &mut tally) else { return Tried::Not };
    let counts = rate::counts(calls);
    let [periods, balances] = locks(calls);
    let query = rows::bind(sqlx::query(include_str!("at_once.sql")), calls, &rated)
        .bind(periods)
        .bind(balances)
        .bind(counts.keys().map(|(period, _)| period.0).collect::<Vec<_>>())
        .bind(counts.keys().map(|(_, price)| price.0).collect::<Vec<_>>())
        .bind(counts.values().copied().collect::<Vec<_>>())
        .bind(counts.keys().map(|key| tally.counted[key]).collect::<Vec<_>>())
        .bind(before.remaining.keys().map(|account| account.0).collect::<Vec<_>>())
        .bind(before.remaining.values().copied().collect::<Vec<_>>());
    match query.execute(connection).await {
        Ok(_) => {
            memory.learn(&before, tally);
            Tried::Committed(rated.committed)
        }
        Err(error) => {
            tracing::debug!(%error, metering.calls = calls.len(), "a batch could not be committed at once: {error}");
            memory.forget(calls);
            if error.as_database_error().is_some() { Tried::Not } else { Tried::Broken }
        }
    }
}

/// What came of trying.
pub(super) enum Tried {
    Committed(Vec<Committed>),
    /// Nothing was written: the batch goes the longer way.
    Not,
    /// The connection broke. Whether something was written is unknown; the longer way finds it by the events' ids.
    Broken,
}
