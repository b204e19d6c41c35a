//! What the template is told of an invoice: texts that are ready to be printed.

use entity::account::Locale;
use entity::invoice_line::Kind;
use entity::money::{self, Minor, Nanos};
use entity::price::{Meter, Rate, Scheme};
use entity::{Time, invoice, invoice_line};
use serde_json::{Value, json};

use super::DocumentError;
use crate::billing::invoice::snapshot::{Party, Snapshot};
use crate::billing::subscription::cycle::date;
use crate::billing::tax::{Category, Tax};

/// The data of an invoice. `factur_x` is the XML that goes with it, or empty.
pub(super) fn data(
    invoice: &invoice::Model,
    snapshot: &Snapshot,
    lines: &[invoice_line::Model],
    factur_x: &str,
) -> Result<Value, DocumentError> {
    use chrono::Datelike as _;
    let issued = invoice.issued_at.ok_or_else(|| DocumentError("it is not issued".into()))?;
    let day = |instant: Time| date(&snapshot.time_zone, instant);
    let issued = day(issued);
    let exponent = money::exponent(&invoice.currency);
    let amount = |minor: Minor| grouped(&minor.decimal(exponent));
    let some = |minor: Minor| if minor.0 == 0 { String::new() } else { amount(minor) };
    let tax = snapshot.tax.as_ref();
    let discount =
        |found: &crate::billing::invoice::snapshot::Discount| json!({ "description": found.description, "amount": amount(found.amount) });
    let paid_credit = Minor(invoice.credits_applied_minor.0 - snapshot.promotional.0);
    Ok(json!({
        "lang": snapshot.locale.as_str(),
        "fonts": fonts(snapshot.locale),
        "number": invoice.number,
        "seller": party(&snapshot.seller),
        "buyer": party(&snapshot.buyer),
        "plan": snapshot.plan.name,
        "currency": invoice.currency.to_uppercase(),
        "issued": { "year": issued.year(), "month": issued.month(), "day": issued.day(), "text": issued.to_string() },
        "period": { "from": day(invoice.period_starts_at).to_string(), "to": day(invoice.period_ends_at).to_string() },
        "lines": lines.iter().map(|row| line(row, snapshot, exponent)).collect::<Vec<_>>(),
        "subtotal": amount(invoice.subtotal_minor),
        "discounts": snapshot.discounts.iter().map(discount).collect::<Vec<_>>(),
        "gift": some(snapshot.promotional),
        "tax": tax.map(|tax| json!({ "name": tax.rule.name, "rate": rate(tax), "base": amount(tax.base), "amount": amount(tax.amount),
                                     "included": tax.rule.included })),
        "reverse_charge": tax.is_some_and(|tax| tax.rule.category == Category::AE),
        "credit": some(paid_credit),
        "carried_in": some(invoice.carried_in_minor),
        "carried_out": some(Minor(-invoice.carried_out_minor.0)),
        "total": amount(invoice.total_minor),
        "is_due": invoice.total_minor.0 > 0,
        "factur_x": factur_x,
    }))
}

/// In the order in which they are tried, glyph by glyph. The last is the machine's, for names in rare characters.
pub(super) fn fonts(locale: Locale) -> [&'static str; 3] {
    match locale {
        Locale::En => ["Libertinus Serif", "Lensmeter CJK", "Noto Sans CJK SC"],
        Locale::Zh => ["Lensmeter CJK", "Noto Sans CJK SC", "Libertinus Serif"],
    }
}

fn line(row: &invoice_line::Model, snapshot: &Snapshot, exponent: u32) -> Value {
    let price = row.price_id.map(|id| id.to_string());
    let price = snapshot.prices.iter().find(|known| Some(&known.id) == price.as_ref()).filter(|_| row.kind == Kind::Usage);
    json!({
        "kind": row.kind.as_str(),
        "description": row.description,
        "tiers": price.map_or_else(|| flat(row, exponent), |price| used(&price.rate, price.meter, row.quantity, exponent)),
        "amount": grouped(&row.amount_minor.decimal(exponent)),
        "events": row.events,
        "digest": if row.events > 0 { hex::encode(&row.events_digest) } else { String::new() },
    })
}

pub(super) fn party(party: &Party) -> Value {
    let place = [party.postal_code.as_str(), party.city.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let lines = party.address.lines().map(str::to_owned).chain([place, party.country.clone()]).filter(|line| !line.is_empty());
    json!({ "name": party.name, "lines": lines.collect::<Vec<_>>(), "email": party.email, "tax_id": party.tax_id })
}

/// `19 %`, `8.1 %`.
pub(super) fn rate(tax: &Tax) -> String {
    let text = format!("{}.{:02}", tax.rule.basis_points / 100, tax.rule.basis_points % 100);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A line of an amount rather than of units.
fn flat(row: &invoice_line::Model, exponent: u32) -> Value {
    json!([{ "quantity": grouped(&row.quantity.to_string()), "unit": row.exact_nanos.decimal(exponent) }])
}

/// How a quantity spreads over the tiers, with the unit price of each tier that it reaches.
fn used(rate: &Rate, meter: Meter, quantity: i64, exponent: u32) -> Value {
    let scale = meter.scale();
    let unit = |nanos: Nanos| match rate.per / scale {
        1 => nanos.decimal(exponent),
        per => format!("{} / {}", nanos.decimal(exponent), grouped(&per.to_string())),
    };
    let part = |units: i64, unit: String| json!({ "quantity": counted(units, scale), "unit": unit });
    let mut parts = Vec::new();
    let free = rate.included.min(quantity);
    if free > 0 {
        parts.push(part(free, Nanos(0).decimal(exponent)));
    }
    let beyond = quantity - free;
    let mut below = 0;
    for tier in &rate.tiers.0 {
        let upper = tier.up_to.unwrap_or(i64::MAX).min(beyond);
        // All units of a volume price are charged by the tier that the last one falls in.
        let all = rate.scheme == Scheme::Volume;
        if upper > below && (!all || upper == beyond) {
            parts.push(part(if all { beyond } else { upper - below }, unit(tier.unit_nanos)));
            if tier.flat_nanos.0 > 0 {
                parts.push(json!({ "quantity": "1", "unit": tier.flat_nanos.decimal(exponent) }));
            }
        }
        below = below.max(upper);
    }
    Value::Array(parts)
}

/// Units as people say them: `10,000` images, `31.25` seconds.
fn counted(units: i64, scale: i64) -> String {
    let (whole, rest) = (units / scale, units % scale);
    let digits = scale.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", grouped(&whole.to_string()))
}

/// `12345.60` as `12,345.60`.
pub(super) fn grouped(decimal: &str) -> String {
    let (whole, fraction) = decimal.split_once('.').map_or((decimal, None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (decimal, expected) in [("0.05", "0.05"), ("999", "999"), ("1000.00", "1,000.00"), ("-1234567.80", "-1,234,567.80")] {
            assert_eq!(grouped(decimal), expected);
        }
    }
}
