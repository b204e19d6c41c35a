//! Computes an exported invoice again from its events, offline: needs no database and trusts nothing of ours but the arithmetic.

use std::collections::BTreeMap;

use entity::invoice_line::Kind;
use entity::money::{self, Minor, Nanos, Overflow};

use super::export::{Export, FORMAT, LineRecord};
use super::line::Line;
use super::record::EventRecord;
use super::snapshot::Price;
use super::total::{self, Totals};
use crate::billing::rating;
use crate::metering::digest::Digest;

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
    #[error("price {price}: its lines of kind {kind} say {found} nanos, computed {computed}")]
    AtClose { price: String, kind: &'static str, found: i64, computed: i64 },
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
    let mut events: BTreeMap<&str, Vec<&EventRecord>> = BTreeMap::new();
    for event in &export.events {
        events.entry(&event.price_id).or_default().push(event);
    }
    for line in &export.lines {
        let own = line.price_id.as_deref().filter(|_| line.kind == Kind::Usage.as_str());
        let exact = match own {
            Some(price) => add_up(export, line, price, &events.remove(price).unwrap_or_default())?,
            None => line.exact_nanos,
        };
        check_line(line, exact, exponent)?;
    }
    if let Some(stray) = events.into_values().flatten().next() {
        return Err(Difference::Stray { id: stray.id.clone() });
    }
    for price in &export.snapshot.prices {
        check_close(export, price)?;
    }
    check_totals(export, exponent)?;
    Ok(Verified { events: export.events.len(), lines: export.lines.len() })
}

fn check_line(line: &LineRecord, exact: i64, exponent: u32) -> Result<(), Difference> {
    let amount = Nanos(exact).round(exponent);
    let rounding = amount.nanos(exponent)?.checked_sub(Nanos(exact))?;
    same_line(line, "exact amount in nanos", line.exact_nanos, exact)?;
    same_line(line, "amount", line.amount_minor, amount.0)?;
    same_line(line, "rounding in nanos", line.rounding_nanos, rounding.0)
}

/// Checks the events of a line one by one, then their count and digest, and returns their sum.
fn add_up(export: &Export, line: &LineRecord, price: &str, events: &[&EventRecord]) -> Result<i64, Difference> {
    let known = export.snapshot.prices.iter().find(|known| known.id == price);
    let known = known.ok_or_else(|| Difference::NoPrice { seq: line.seq, price: price.into() })?;
    let mut digest = Digest::default();
    let (mut quantity, mut sum) = (0i64, Nanos(0));
    for event in events {
        check_event(event, known)?;
        digest.add(event.digest());
        quantity = quantity.checked_add(event.quantity).ok_or(Overflow)?;
        sum = sum.checked_add(Nanos(event.amount_nanos))?;
    }
    check_order(events)?;
    same_line(line, "number of events", line.events, events.len() as i64)?;
    same_line(line, "quantity", line.quantity, quantity)?;
    same_line(line, "digest of its events", line.events_digest.clone(), hex::encode(digest.bytes()))?;
    Ok(sum.0)
}

fn check_event(event: &EventRecord, price: &Price) -> Result<(), Difference> {
    let differs = |what, found: String, computed: String| Difference::Event { id: event.id.clone(), what, found, computed };
    let digest = hex::encode(event.digest().bytes());
    if event.sha256 != digest {
        return Err(differs("SHA-256", event.sha256.clone(), digest));
    }
    let amount = rating::charge(&price.rate, event.quantity_before, event.quantity)?;
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

/// What follows from the units of a price at close: what a volume price gives back, what is lacking to the minimum.
fn check_close(export: &Export, price: &Price) -> Result<(), Difference> {
    let of = |kind: Kind| export.lines.iter().filter(move |line| line.kind == kind.as_str() && line.price_id.as_ref() == Some(&price.id));
    let quantity = of(Kind::Usage).map(|line| line.quantity).sum();
    let closing = rating::at_close(&price.rate, quantity, &export.snapshot.share)?;
    for (kind, computed) in [(Kind::Volume, closing.volume.0), (Kind::Minimum, closing.minimum.0)] {
        let found = of(kind).map(|line| line.exact_nanos).sum();
        if found != computed {
            return Err(Difference::AtClose { price: price.id.clone(), kind: kind.as_str(), found, computed });
        }
    }
    Ok(())
}

fn check_totals(export: &Export, exponent: u32) -> Result<(), Difference> {
    let lines = export.lines.iter().map(|line| plain(line, exponent)).collect::<Result<Vec<_>, _>>()?;
    let Totals { subtotal, credits_applied, discount, tax, carried_in, carried_out, total, .. } =
        total::add_up(&lines, &export.snapshot.terms, exponent)?;
    for (what, found, computed) in [
        ("subtotal", export.subtotal_minor, subtotal),
        ("discount", export.discount_minor, discount),
        ("tax", export.tax_minor, tax.map_or(Minor(0), |tax| tax.amount)),
        ("credit applied", export.credits_applied_minor, credits_applied),
        ("amount carried over from earlier invoices", export.carried_in_minor, carried_in),
        ("amount carried over to the next invoice", export.carried_out_minor, carried_out),
        ("total", export.total_minor, total),
    ] {
        if found != computed.0 {
            return Err(Difference::Total { what, found, computed: computed.0 });
        }
    }
    Ok(())
}

/// A line as totals are made of: what it is for does not matter beyond its kind.
fn plain(line: &LineRecord, exponent: u32) -> Result<Line, Difference> {
    use sea_orm::Iterable as _;
    let kind = Kind::iter().find(|kind| kind.as_str() == line.kind);
    let unknown = || Difference::Line { seq: line.seq, what: "kind", found: line.kind.clone(), computed: "one that we know".into() };
    Ok(Line::new(kind.ok_or_else(unknown)?, String::new(), None, line.quantity, Nanos(line.exact_nanos), exponent)?)
}

fn same_line<T: PartialEq + ToString>(line: &LineRecord, what: &'static str, found: T, computed: T) -> Result<(), Difference> {
    if found == computed {
        return Ok(());
    }
    Err(Difference::Line { seq: line.seq, what, found: found.to_string(), computed: computed.to_string() })
}
