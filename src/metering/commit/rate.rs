//! What the calls of a batch come to, given what stands under its locks.

use std::collections::{BTreeMap, HashMap};

use entity::ids::{AccountId, PeriodId, PriceId};
use entity::money::Nanos;

use super::{Committed, Failed, Rejected, Usage};

/// What stands where the locks of a batch are.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Units of a price in a period.
    pub counted: HashMap<(PeriodId, PriceId), i64>,
    /// Credit, in nanos.
    pub remaining: HashMap<AccountId, i64>,
}

/// A batch with its amounts.
pub(super) struct Rated {
    /// Per call, what its price had counted before it.
    pub befores: Vec<i64>,
    pub committed: Vec<Committed>,
}

/// What a batch counts of each price.
pub(super) fn counts(calls: &[&Usage]) -> BTreeMap<(PeriodId, PriceId), i64> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry((call.period(), call.price)).or_default() += call.quantity;
    }
    counts
}

/// Rates the calls in their order and moves `tally` to where it is after them.
pub(super) fn rate(calls: &[&Usage], tally: &mut Tally) -> Result<Rated, Failed> {
    let (mut befores, mut committed) = (Vec::with_capacity(calls.len()), Vec::with_capacity(calls.len()));
    for (position, call) in calls.iter().enumerate() {
        let counted = tally.counted.entry((call.period(), call.price)).or_default();
        let before = *counted;
        *counted += call.quantity;
        let amount = match (call.charge)(before, call.quantity) {
            // More than was reserved would be an overspend; the admission reserves the worst price, so this is a bug.
            Ok(amount) if amount <= call.hold.amount() => amount,
            _ => return Err(Failed::Calls(vec![(position, Rejected::Unavailable)])),
        };
        let left = tally.remaining.entry(call.account()).or_default();
        *left -= amount.0;
        befores.push(before);
        committed.push(Committed { event: call.event, quantity: call.quantity, amount, remaining: Nanos(*left) });
    }
    Ok(Rated { befores, committed })
}
