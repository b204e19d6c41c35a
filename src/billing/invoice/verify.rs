//! Computes an exported invoice again from its events, offline: needs no database and trusts nothing of ours but the arithmetic.

use entity::money::{self, Nanos, Overflow};
use entity::price::Tiers;

use super::export::{Export, FORMAT, LineRecord};
use super::record::{Digest, EventRecord};
use crate::billing::rating;

/// The first thing in an export that does not follow from its events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("the file is {found:?}, expected {FORMAT:?}")]
    Format { found: String },
    #[error("event {id}: its {what} is {found}, computed {computed}")]
    Event { id: String, what: &'static str, found: String, computed: String },
    #[error("line {seq}: its {what} is {found}, computed {computed}")]
    Line { seq: i32, what: &'static str, found: String, computed: String },
    #[error("event {id} belongs to no line")]
    Stray { id: String },
    #[error("line {seq}: the snapshot has no price {price}")]
    NoPrice { seq: i32, price: String },
    #[error("the {what} is {found}, computed {computed}")]
    Total { what: &'static str, found: i64, computed: i64 },
    #[error("{0}")]
    Overflow(Overflow),
}

impl From<Overflow> for Difference {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

/// What was computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub events: usize,
    pub lines: usize,
}

/// Adds events to lines and lines to the total, with each digest.
///
/// # Errors
/// The first difference: an event when one can be named, else its line, else the total.
pub fn verify(export: &Export) -> Result<Verified, Difference> {
    if export.format != FORMAT {
        return Err(Difference::Format { found: export.format.clone() });
    }
    let exponent = money::exponent(&export.currency);
    let mut events: Vec<&EventRecord> = export.events.iter().collect();
    events.sort_by(|a, b| a.id.cmp(&b.id));
    for line in &export.lines {
        check_line(export, line, &events, exponent)?;
    }
    if let Some(stray) = events.iter().find(|event| !export.lines.iter().any(|line| line.price_id.as_ref() == Some(&event.price_id))) {
        return Err(Difference::Stray { id: stray.id.clone() });
    }
    check_totals(export, exponent)?;
    Ok(Verified { events: events.len(), lines: export.lines.len() })
}

fn check_line(export: &Export, line: &LineRecord, events: &[&EventRecord], exponent: u32) -> Result<(), Difference> {
    let exact = match &line.price_id {
        Some(price) => add_up(export, line, price, events)?,
        None => line.exact_nanos,
    };
    let amount = Nanos(exact).round(exponent);
    let rounding = amount.nanos(exponent)?.checked_sub(Nanos(exact))?;
    same_line(line, "exact amount in nanos", line.exact_nanos, exact)?;
    same_line(line, "amount", line.amount_minor, amount.0)?;
    same_line(line, "rounding in nanos", line.rounding_nanos, rounding.0)
}

/// Checks the events of a line one by one, then their count and digest, and returns their sum.
fn add_up(export: &Export, line: &LineRecord, price: &str, events: &[&EventRecord]) -> Result<i64, Difference> {
    let known = export.snapshot.prices.iter().find(|known| known.id == price);
    let tiers = &known.ok_or_else(|| Difference::NoPrice { seq: line.seq, price: price.into() })?.tiers;
    let own: Vec<_> = events.iter().copied().filter(|event| event.price_id == price).collect();
    let mut digest = Digest::default();
    let (mut quantity, mut sum) = (0i64, Nanos(0));
    for event in &own {
        check_event(event, tiers)?;
        digest.update(event);
        quantity = quantity.checked_add(event.quantity).ok_or(Overflow)?;
        sum = sum.checked_add(Nanos(event.amount_nanos))?;
    }
    check_order(&own)?;
    same_line(line, "number of events", line.events, own.len() as i64)?;
    same_line(line, "quantity", line.quantity, quantity)?;
    same_line(line, "digest of its events", line.events_digest.clone(), hex::encode(digest.finish()))?;
    Ok(sum.0)
}

fn check_event(event: &EventRecord, tiers: &Tiers) -> Result<(), Difference> {
    let differs = |what, found: String, computed: String| Difference::Event { id: event.id.clone(), what, found, computed };
    let digest = event.digest();
    if event.sha256 != digest {
        return Err(differs("SHA-256", event.sha256.clone(), digest));
    }
    let amount = rating::charge(tiers, event.quantity_before, event.quantity)?;
    if amount.0 != event.amount_nanos {
        return Err(differs("amount in nanos", event.amount_nanos.to_string(), amount.0.to_string()));
    }
    Ok(())
}

/// Each event starts on the tiers where the one before it ended, and the first at zero: none is missing, none counts twice.
/// Events of no units stand still, before the one that moves on.
fn check_order(events: &[&EventRecord]) -> Result<(), Difference> {
    let mut by_place = events.to_vec();
    by_place.sort_by_key(|event| (event.quantity_before, event.quantity));
    let mut place = 0i64;
    for event in by_place {
        if event.quantity_before != place {
            let (found, computed) = (event.quantity_before.to_string(), place.to_string());
            return Err(Difference::Event { id: event.id.clone(), what: "quantity_before", found, computed });
        }
        place = place.checked_add(event.quantity).ok_or(Overflow)?;
    }
    Ok(())
}

fn check_totals(export: &Export, exponent: u32) -> Result<(), Difference> {
    let sum = |kind: &str| export.lines.iter().filter(|line| line.kind == kind).map(|line| line.amount_minor).sum::<i64>();
    let (fee, usage) = (sum("base_fee"), sum("usage"));
    let exact: i64 = export.lines.iter().filter(|line| line.kind == "usage").map(|line| line.exact_nanos).sum();
    let burnt = export.snapshot.credit_burnt;
    let applied = if burnt.0 == exact { usage } else { burnt.round(exponent).0.min(usage) };
    for (what, found, computed) in [
        ("subtotal", export.subtotal_minor, fee + usage),
        ("credit applied", export.credits_applied_minor, applied),
        ("total", export.total_minor, fee + usage - applied),
    ] {
        if found != computed {
            return Err(Difference::Total { what, found, computed });
        }
    }
    Ok(())
}

fn same_line<T: PartialEq + ToString>(line: &LineRecord, what: &'static str, found: T, computed: T) -> Result<(), Difference> {
    if found == computed {
        return Ok(());
    }
    Err(Difference::Line { seq: line.seq, what, found: found.to_string(), computed: computed.to_string() })
}
