//! What events come to, added up in the order of a file: account by account, so that one account's sums are held at a time.

use std::collections::BTreeMap;

use chrono::{DurationRound as _, TimeDelta};
use entity::Time;
use entity::ids::{AccountId, KeyId, PeriodId, PriceId};
use entity::usage_archived;
use entity::usage_event::Model as Event;

use crate::metering::digest::Digest;

/// Period, price, key, model, hour: a rollup's key within its account.
pub(super) type Key = (PeriodId, PriceId, KeyId, String, Time);
/// Events, quantity and nanos of each key.
pub(super) type Sums = BTreeMap<Key, [i64; 3]>;

/// What all of them come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub events: i64,
    /// Of the events, as on invoices.
    pub digest: Digest,
    /// Of the sums, in whatever order they come.
    pub sums: Digest,
}

impl Totals {
    /// Adds one sum of an account.
    pub fn add_sum(&mut self, account: AccountId, key: &Key, [events, quantity, nanos]: [i64; 3]) {
        let (period, price, id, model, hour) = key;
        let hour = hour.timestamp();
        self.sums.add(Digest::of(&format!("{account}\t{period}\t{price}\t{id}\t{model}\t{hour}\t{events}\t{quantity}\t{nanos}\n")));
    }
}

/// Adds up events that come in the order of a file.
#[derive(Default)]
pub(super) struct Tally {
    totals: Totals,
    account: Option<AccountId>,
    sums: Sums,
}

impl Tally {
    /// Adds an event. The sums of the account before it, when that is through.
    pub fn add(&mut self, event: &Event) -> Option<(AccountId, Sums)> {
        let through = if self.account == Some(event.account_id) { None } else { self.close() };
        self.account = Some(event.account_id);
        self.totals.events += 1;
        let counts = (event.quantity_before, event.quantity);
        self.totals.digest.add(Digest::of_event(event.id, event.price_id, counts, event.amount_nanos, event.at));
        // An hour divides the seconds that an instant has.
        let hour = event.at.duration_trunc(TimeDelta::hours(1)).unwrap_or(event.at);
        let sums = self.sums.entry((event.period_id, event.price_id, event.key_id, event.model.clone(), hour)).or_default();
        for (sum, more) in sums.iter_mut().zip([1, event.quantity, event.amount_nanos.0]) {
            // The rollup has the same sum in as many bits.
            *sum = sum.saturating_add(more);
        }
        through
    }

    fn close(&mut self) -> Option<(AccountId, Sums)> {
        let (account, sums) = (self.account.take()?, std::mem::take(&mut self.sums));
        sums.iter().for_each(|(key, sum)| self.totals.add_sum(account, key, *sum));
        Some((account, sums))
    }

    /// The sums of the last account, and what all come to.
    pub fn finish(mut self) -> (Option<(AccountId, Sums)>, Totals) {
        (self.close(), self.totals)
    }
}

/// A row as key and sums.
pub(super) fn parts(row: usage_archived::Model) -> (AccountId, Key, [i64; 3]) {
    let usage_archived::Model { account_id, period_id, price_id, key_id, model, hour, events, quantity, amount_nanos, .. } = row;
    (account_id, (period_id, price_id, key_id, model, hour), [events, quantity, amount_nanos.0])
}
