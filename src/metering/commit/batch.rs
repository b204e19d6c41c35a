//! Gets as many calls of a batch committed as can be: a poisoned call fails alone, found by halving; a database that is
//! away for a moment is waited for; a COMMIT whose acknowledgement was lost is found.

use std::collections::HashMap;
use std::time::Duration;

use entity::ids::EventId;
use entity::money::Nanos;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, Postgres};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use uuid::Uuid;

use super::at_once::{Memory, Tried, at_once};
use super::transaction::transaction;
use super::{Committed, Failed, Rejected, Usage};
use crate::platform::db;

/// Pauses while the database is away. Then the calls are answered 503.
const PAUSES_MS: [u64; 4] = [50, 200, 600, 1500];

type Outcome = Result<Committed, Rejected>;

/// Commits batches, one after the other.
pub struct Committer {
    db: DatabaseConnection,
    /// Kept between batches: a pool asks a connection whether it lives before and after each use, which is as dear as the
    /// work. Another one is taken after an error.
    connection: Option<PoolConnection<Postgres>>,
    memory: Memory,
}

impl Committer {
    /// Makes one with a pool of which it uses one connection at a time.
    pub fn new(db: DatabaseConnection) -> Self {
        Self { db, connection: None, memory: Memory::default() }
    }

    /// Commits a batch; one outcome per call, in order.
    pub async fn commit(&mut self, usages: Vec<Usage>) -> Vec<Outcome> {
        let mut work = Work { outcomes: usages.iter().map(|_| None).collect(), parts: vec![(0..usages.len()).collect()] };
        let mut pauses = PAUSES_MS.iter();
        while let Some(part) = work.parts.pop() {
            let calls: Vec<&Usage> = part.iter().map(|&index| &usages[index]).collect();
            match self.part(&calls).await {
                Ok(committed) => work.settle(&part, committed.into_iter().map(Ok).enumerate()),
                Err(Failed::Calls(out)) => {
                    work.settle(&part, out.into_iter().map(|(position, reason)| (position, Err(reason))));
                    work.again(part);
                }
                Err(Failed::Database(error)) => {
                    tracing::warn!(%error, metering.calls = part.len(), "a batch failed: {error}");
                    match (remedy(&error), pauses.as_slice().first()) {
                        (Remedy::Look, _) => work.look(part, committed_before(&self.db, &calls).await, &usages),
                        (Remedy::Wait, Some(&pause)) => {
                            pauses.next();
                            tokio::time::sleep(Duration::from_millis(pause)).await;
                            work.parts.push(part);
                        }
                        (Remedy::Wait, None) => {
                            work.settle(&part, (0..part.len()).map(|position| (position, Err(Rejected::Unavailable))));
                        }
                        (Remedy::Halve, _) => work.halve(part, refused(&error)),
                    }
                }
            }
        }
        let outcomes = work.outcomes.into_iter().map(|outcome| outcome.unwrap_or(Err(Rejected::Unavailable)));
        usages.into_iter().zip(outcomes).map(|(usage, outcome)| finish(usage, outcome)).collect()
    }

    /// Commits all of the calls or none, at once where that can be.
    async fn part(&mut self, calls: &[&Usage]) -> Result<Vec<Committed>, Failed> {
        let mut connection = self.connection().await?;
        match at_once(&mut connection, &mut self.memory, calls).await {
            Tried::Committed(committed) => {
                metrics::counter!("lensmeter_commits", "way" => "at_once").increment(1);
                self.connection = Some(connection);
                return Ok(committed);
            }
            Tried::Not => {}
            Tried::Broken => connection = self.connection().await?,
        }
        let (committed, before, after) = match transaction(&mut connection, calls).await {
            Ok(done) => done,
            Err(Failed::Calls(out)) => {
                self.connection = Some(connection);
                return Err(Failed::Calls(out));
            }
            Err(failed) => return Err(failed),
        };
        metrics::counter!("lensmeter_commits", "way" => "transaction").increment(1);
        self.connection = Some(connection);
        self.memory.learn(&before, after);
        Ok(committed)
    }

    async fn connection(&mut self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        match self.connection.take() {
            Some(kept) => Ok(kept),
            None => self.db.get_postgres_connection_pool().acquire().await,
        }
    }
}

/// What is done of a batch and what is to be done, calls by their index.
struct Work {
    outcomes: Vec<Option<Outcome>>,
    parts: Vec<Vec<usize>>,
}

impl Work {
    /// Writes down what was decided on calls of a part, by their position in it.
    fn settle(&mut self, part: &[usize], decided: impl Iterator<Item = (usize, Outcome)>) {
        for (position, outcome) in decided {
            self.outcomes[part[position]] = Some(outcome);
        }
    }

    /// Tries those of a part again that nothing was decided on.
    fn again(&mut self, mut part: Vec<usize>) {
        part.retain(|&index| self.outcomes[index].is_none());
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// A row of a part was in the way: its own, of a COMMIT whose acknowledgement was lost, or somebody else's.
    fn look(&mut self, part: Vec<usize>, mut found: HashMap<EventId, Committed>, usages: &[Usage]) {
        if found.is_empty() {
            return self.halve(part, Rejected::Duplicate);
        }
        let seen = part.iter().enumerate().filter_map(|(position, &index)| Some((position, Ok(found.remove(&usages[index].event)?))));
        self.settle(&part, seen);
        self.again(part);
    }

    /// One call of a part is poisoned: in which half is it? Of one call it is that one.
    fn halve(&mut self, mut part: Vec<usize>, reason: Rejected) {
        if let [alone] = part[..] {
            self.outcomes[alone] = Some(Err(reason));
            return;
        }
        let second = part.split_off(part.len() / 2);
        self.parts.extend([second, part]);
    }
}

/// What to do about an error of the database.
enum Remedy {
    /// The database or the way to it: all calls alike.
    Wait,
    /// An event is there already: an earlier COMMIT of it came through.
    Look,
    /// One of the calls.
    Halve,
}

fn remedy(error: &DbErr) -> Remedy {
    if db::is_unique_violation(error) {
        return Remedy::Look;
    }
    match db::sqlstate(error).as_deref() {
        // No answer of the server at all.
        None => Remedy::Wait,
        // Connections, rolled back for others' sake, no resources, an operator's hand, the system below, a standby.
        Some(state) if ["08", "40", "53", "57", "58"].iter().any(|class| state.starts_with(class)) || state == "25006" => Remedy::Wait,
        Some(_) => Remedy::Halve,
    }
}

/// What a call is told that fails by itself.
fn refused(error: &DbErr) -> Rejected {
    // What leases hold was edited by hand. A new lease counts it anew.
    if db::checked_table(error).is_some_and(|table| table == "balance" || table == "lease") {
        Rejected::Fenced
    } else {
        Rejected::Unavailable
    }
}

/// Those of the calls whose events are there.
async fn committed_before(db: &DatabaseConnection, calls: &[&Usage]) -> HashMap<EventId, Committed> {
    let sql = "SELECT e.id, e.quantity, e.amount_nanos, b.credits - b.debits AS remaining
               FROM UNNEST($1::uuid[], $2::uuid[]) AS call(account_id, id) JOIN usage_event e USING (account_id, id)
               JOIN balance b ON b.id = e.account_id";
    let accounts: Vec<Uuid> = calls.iter().map(|call| call.account().0).collect();
    let ids: Vec<Uuid> = calls.iter().map(|call| call.event.0).collect();
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, [accounts.into(), ids.into()])).await;
    let read = |row: sea_orm::QueryResult| {
        let event = EventId(row.try_get("", "id")?);
        let (amount, remaining) = (Nanos(row.try_get("", "amount_nanos")?), Nanos(row.try_get("", "remaining")?));
        Ok::<_, DbErr>((event, Committed { event, quantity: row.try_get("", "quantity")?, amount, remaining }))
    };
    rows.unwrap_or_default().into_iter().filter_map(|row| read(row).ok()).collect()
}

/// What was reserved and not spent goes back to the leases in memory.
fn finish(usage: Usage, outcome: Outcome) -> Outcome {
    match &outcome {
        Ok(committed) => usage.hold.settle(committed.amount),
        // Unknown whether the COMMIT came through: the slice is not spent again before the database says what is left.
        Err(Rejected::Unavailable) => usage.hold.forfeit(),
        Err(Rejected::Fenced) => usage.hold.void(),
        Err(_) => drop(usage.hold),
    }
    outcome
}
