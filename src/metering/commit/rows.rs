//! The rows of a batch, as the columns that its statements take.

use std::collections::BTreeMap;

use chrono::{DurationRound as _, TimeDelta};
use entity::Time;
use entity::ids::LeaseId;
use sea_orm::sqlx::Postgres;
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use uuid::Uuid;

use super::rate::Rated;
use super::{Committed, Record, Usage};
use crate::metering::digest::Digest;

/// A statement with its values.
pub(super) type Bound<'a> = Query<'a, Postgres, PgArguments>;

/// Binds leases and what was spent of them, events, rollups, records: `$1` to `$35` of write.sql and at_once.sql.
pub(super) fn bind<'a>(query: Bound<'a>, calls: &[&'a Usage], rated: &Rated) -> Bound<'a> {
    let query = spent(query, calls, &rated.committed);
    let query = events(query, calls, rated);
    let query = rollups(query, calls, rated);
    records(query, calls, &rated.committed)
}

/// A column of the calls.
fn column<'a, T>(calls: &[&'a Usage], field: impl Fn(&'a Usage) -> T) -> Vec<T> {
    calls.iter().map(|call| field(call)).collect()
}

/// `$1`, `$2`.
fn spent<'a>(query: Bound<'a>, calls: &[&Usage], committed: &[Committed]) -> Bound<'a> {
    let mut sums = BTreeMap::<LeaseId, i64>::new();
    for (call, committed) in calls.iter().zip(committed) {
        for lease in call.hold.leases() {
            *sums.entry(lease).or_default() += committed.amount.0;
        }
    }
    query.bind(sums.keys().map(|lease| lease.0).collect::<Vec<_>>()).bind(sums.into_values().collect::<Vec<_>>())
}

/// `$3` to `$17`.
fn events<'a>(query: Bound<'a>, calls: &[&'a Usage], rated: &Rated) -> Bound<'a> {
    query
        .bind(column(calls, |call| call.event.0))
        .bind(column(calls, |call| call.account().0))
        .bind(column(calls, |call| call.key().0))
        .bind(column(calls, |call| call.period().0))
        .bind(column(calls, |call| call.price.0))
        .bind(column(calls, |call| call.request.0))
        .bind(column(calls, |call| call.task))
        .bind(column(calls, |call| call.model.as_str()))
        .bind(column(calls, |call| call.model_version.as_str()))
        .bind(column(calls, |call| call.quantity))
        .bind(rated.befores.clone())
        .bind(rated.committed.iter().map(|committed| committed.amount.0).collect::<Vec<_>>())
        .bind(column(calls, |call| call.pixels))
        .bind(column(calls, |call| call.compute_us))
        .bind(column(calls, Usage::at))
}

/// `$18` to `$27`.
fn rollups<'a>(query: Bound<'a>, calls: &[&'a Usage], rated: &Rated) -> Bound<'a> {
    type Group<'a> = (Uuid, Uuid, Uuid, Uuid, &'a str, Time);
    let mut sums: BTreeMap<Group<'a>, ([i64; 3], Digest)> = BTreeMap::new();
    for ((call, before), committed) in calls.iter().zip(&rated.befores).zip(&rated.committed) {
        // An instant within a few centuries of today has an hour.
        let hour = call.at().duration_trunc(TimeDelta::hours(1)).unwrap_or(call.at());
        let group = (call.account().0, call.period().0, call.price.0, call.key().0, call.model.as_str(), hour);
        let (sum, digest) = sums.entry(group).or_default();
        *sum = [sum[0] + 1, sum[1] + call.quantity, sum[2] + committed.amount.0];
        digest.add(Digest::of_event(call.event, call.price, (*before, call.quantity), committed.amount, call.at()));
    }
    query
        .bind(sums.keys().map(|group| group.0).collect::<Vec<_>>())
        .bind(sums.keys().map(|group| group.1).collect::<Vec<_>>())
        .bind(sums.keys().map(|group| group.2).collect::<Vec<_>>())
        .bind(sums.keys().map(|group| group.3).collect::<Vec<_>>())
        .bind(sums.keys().map(|group| group.4).collect::<Vec<_>>())
        .bind(sums.keys().map(|group| group.5).collect::<Vec<_>>())
        .bind(sums.values().map(|(sum, _)| sum[0]).collect::<Vec<_>>())
        .bind(sums.values().map(|(sum, _)| sum[1]).collect::<Vec<_>>())
        .bind(sums.values().map(|(sum, _)| sum[2]).collect::<Vec<_>>())
        .bind(sums.values().map(|(_, digest)| digest.decimal()).collect::<Vec<_>>())
}

/// `$28` to `$35`.
fn records<'a>(query: Bound<'a>, calls: &[&'a Usage], committed: &[Committed]) -> Bound<'a> {
    let kept: Vec<(&Usage, &Record, &Committed)> =
        calls.iter().zip(committed).filter_map(|(call, committed)| Some((*call, call.record.as_ref()?, committed))).collect();
    query
        .bind(kept.iter().map(|(call, _, _)| call.account().0).collect::<Vec<_>>())
        .bind(kept.iter().map(|(call, _, _)| call.event.0).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, _)| record.key.clone()).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, _)| record.route).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, _)| record.fingerprint).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, committed)| (record.render)(committed)).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, _)| record.now).collect::<Vec<_>>())
        .bind(kept.iter().map(|(_, record, _)| record.now + record.keep).collect::<Vec<_>>())
}
