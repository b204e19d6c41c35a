//! Prices as rows of a table: one per tier, with what else a price says.

use entity::money::Nanos;
use entity::price::{Meter, Rate, Scheme, Tier};

use super::show;

/// One tier of a price.
pub struct PriceRow {
    /// In the first tier only.
    pub what: String,
    pub range: String,
    pub unit: String,
}

/// A row per tier; what it is stands in the first only.
pub fn rows(description: &str, meter: Meter, rate: &Rate, currency: &str) -> Vec<PriceRow> {
    let scale = meter.scale();
    let mut from = 1;
    let mut rows = Vec::new();
    let mut push = |range: String, unit: String| {
        let what = if rows.is_empty() { description.to_owned() } else { String::new() };
        rows.push(PriceRow { what, range, unit });
    };
    if rate.included > 0 {
        push(span(from, Some(rate.included / scale)), "included".into());
        from += rate.included / scale;
    }
    for tier in &rate.tiers.0 {
        let last = tier.up_to.map(|up_to| (up_to + rate.included) / scale);
        let all = if rate.scheme == Scheme::Volume && rate.tiers.0.len() > 1 { ", then for all" } else { "" };
        push(format!("{}{all}", span(from, last)), price(tier, rate, meter, currency));
        from = last.map_or(from, |last| last + 1);
    }
    if rate.minimum > Nanos(0) {
        push("a month".into(), format!("at least {}", show::nanos(rate.minimum, currency)));
    }
    if let Some(maximum) = rate.maximum {
        push("a month".into(), format!("at most {}", show::nanos(maximum, currency)));
    }
    rows
}

/// `$0.0015`, `$2.00 per 1,000`, `$0.05 per second`, `$10.00 once`.
fn price(tier: &Tier, rate: &Rate, meter: Meter, currency: &str) -> String {
    let Tier { unit_nanos, flat_nanos, .. } = *tier;
    let per = match rate.per / meter.scale() {
        1 if meter == Meter::ComputeTime => " per second".into(),
        1 => String::new(),
        per => format!(" per {}", show::count(per)),
    };
    let unit = format!("{}{per}", show::nanos(unit_nanos, currency));
    let once = format!("{} once", show::nanos(flat_nanos, currency));
    match (unit_nanos.0, flat_nanos.0) {
        (0, 0) => "free".into(),
        (_, 0) => unit,
        (0, _) => once,
        _ => format!("{unit} and {once}"),
    }
}

fn span(from: i64, last: Option<i64>) -> String {
    match last {
        Some(last) => format!("{} – {}", show::count(from), show::count(last)),
        None if from == 1 => "any number".into(),
        None => format!("{} and more", show::count(from)),
    }
}

/// What the first unit that is not free costs, where that can be said in a word.
pub fn first(rate: &Rate) -> Option<Nanos> {
    rate.tiers.0.iter().map(|tier| tier.unit_nanos).find(|unit| rate.per == 1 && *unit > Nanos(0))
}
