//! The invoice as data for the buyer's software: EN 16931 in UN/CEFACT's Cross Industry Invoice (D16B), which Factur-X and
//! ZUGFeRD embed in the PDF. Business terms (BT) are named as in the standard.

use askama::Template;
use entity::invoice_line::Kind;
use entity::money::{self, Minor, Nanos};
use entity::price::Meter;
use entity::{Time, invoice, invoice_line};

use super::DocumentError;
use crate::billing::invoice::snapshot::{Party, Snapshot};
use crate::billing::subscription::cycle;
use crate::billing::tax::Category;

#[derive(Template)]
#[template(path = "factur-x.xml", escape = "html")]
struct Document<'a> {
    number: &'a str,
    issued: String,
    period: (String, String),
    currency: String,
    seller: &'a Party,
    buyer: &'a Party,
    lines: Vec<Line<'a>>,
    /// BG-20: a reason, and how much comes off.
    allowances: Vec<(&'a str, String)>,
    vat: Vat,
    sums: Sums,
}

struct Line<'a> {
    id: i32,
    name: &'a str,
    /// BT-146 for BT-149 units.
    price: String,
    basis: String,
    quantity: String,
    /// UN/ECE Recommendation 20.
    unit: &'static str,
    net: String,
}

/// BG-23: one, as all lines are taxed alike.
struct Vat {
    category: &'static str,
    /// Per cent; none outside the scope of VAT.
    rate: Option<String>,
    /// BT-120 and BT-121.
    reason: Option<(&'static str, &'static str)>,
    base: String,
    amount: String,
    /// Whether VAT ids may be told: outside its scope they must not (BR-O-2 to BR-O-4).
    identified: bool,
}

/// BG-22.
struct Sums {
    lines: String,
    allowances: String,
    gross: String,
    /// BT-113: paid credit, and what is carried over from and to other invoices.
    prepaid: String,
    due: String,
}

/// The XML of an invoice whose account asks for it; `None` where it did not, or where the standard cannot say what is needed: a
/// party without a country, VAT without the seller's id, reverse charge without the buyer's, a currency of three digits.
pub(super) fn attachment(
    invoice: &invoice::Model,
    snapshot: &Snapshot,
    lines: &[invoice_line::Model],
) -> Result<Option<String>, DocumentError> {
    let exponent = money::exponent(&invoice.currency);
    let category = snapshot.tax.as_ref().map(|tax| tax.rule.category);
    let told = [&snapshot.seller.country, &snapshot.buyer.country].iter().all(|country| !country.is_empty());
    let identified = category.is_none() || !snapshot.seller.tax_id.is_empty();
    let reversible = category != Some(Category::AE) || !snapshot.buyer.tax_id.is_empty();
    if !snapshot.e_invoice || !told || !identified || !reversible || exponent > 2 || lines.is_empty() {
        return Ok(None);
    }
    let issued = invoice.issued_at.ok_or_else(|| DocumentError("it is not issued".into()))?;
    let xml = document(invoice, snapshot, lines, issued, exponent).render().map_err(|error| DocumentError(error.to_string()))?;
    // Names may hold what XML cannot (XML 1.0, 2.2).
    Ok(Some(xml.replace(|letter: char| (letter.is_control() && letter != '\n') || matches!(letter, '\u{fffe}' | '\u{ffff}'), "")))
}

fn document<'a>(
    invoice: &'a invoice::Model,
    snapshot: &'a Snapshot,
    rows: &'a [invoice_line::Model],
    issued: Time,
    exponent: u32,
) -> Document<'a> {
    let amount = |minor: i64| Minor(minor).decimal(exponent);
    let taken_off: Vec<(&str, i64)> = snapshot
        .discounts
        .iter()
        .map(|discount| (discount.description.as_str(), discount.amount.0))
        .chain([("Promotional credit", snapshot.promotional.0)])
        .filter(|(_, amount)| *amount != 0)
        .collect();
    // With prices that hold their tax, all amounts are stripped of it so that they add up to the base (BR-CO-10, BR-CO-13).
    let gross: Vec<i64> = rows.iter().map(|row| row.amount_minor.0).chain(taken_off.iter().map(|(_, amount)| -amount)).collect();
    let whole: i64 = gross.iter().sum();
    let (base, tax) = snapshot.tax.as_ref().map_or((whole, 0), |tax| (tax.base.0, tax.amount.0));
    let net = shares(&gross, base);
    let (net_lines, net_allowances) = net.split_at(rows.len());
    let with_tax = base + tax;
    Document {
        number: invoice.number.as_deref().unwrap_or_default(),
        issued: date(snapshot, issued),
        // Its last day, not the one after.
        period: (date(snapshot, invoice.period_starts_at), date(snapshot, invoice.period_ends_at - chrono::TimeDelta::seconds(1))),
        currency: invoice.currency.to_uppercase(),
        seller: &snapshot.seller,
        buyer: &snapshot.buyer,
        lines: rows.iter().zip(net_lines).map(|(row, net)| line(row, snapshot, *net, exponent)).collect(),
        allowances: taken_off.iter().zip(net_allowances).map(|((reason, _), net)| (*reason, amount(-net))).collect(),
        vat: vat(snapshot, amount(base), amount(tax)),
        sums: Sums {
            lines: amount(net_lines.iter().sum()),
            allowances: amount(-net_allowances.iter().sum::<i64>()),
            gross: amount(with_tax),
            prepaid: amount(with_tax - invoice.total_minor.0),
            due: amount(invoice.total_minor.0),
        },
    }
}

/// Shares of `base` in proportion to `parts`, which add up to it exactly: rounded as sums, not one by one.
fn shares(parts: &[i64], base: i64) -> Vec<i64> {
    let whole: i128 = parts.iter().map(|part| i128::from(*part)).sum();
    let (mut sum, mut given) = (0i128, 0i128);
    let share = |part: &i64| {
        sum += i128::from(*part);
        // Nothing in all: nothing to share out.
        let upto = match whole.signum() {
            0 => sum,
            sign => (sum * i128::from(base) * sign * 2 + whole.abs()).div_euclid(whole.abs() * 2),
        };
        let own = upto - given;
        given = upto;
        i64::try_from(own).unwrap_or_default()
    };
    parts.iter().map(share).collect()
}

fn line<'a>(row: &'a invoice_line::Model, snapshot: &Snapshot, net: i64, exponent: u32) -> Line<'a> {
    let price = row.price_id.map(|id| id.to_string());
    let price = snapshot.prices.iter().find(|known| Some(&known.id) == price.as_ref()).filter(|_| row.kind == Kind::Usage);
    let taxed_inside = snapshot.tax.as_ref().is_some_and(|tax| tax.rule.included);
    let net_text = Minor(net).decimal(exponent);
    let common = |price: String, basis: String, quantity: String, unit| Line {
        id: row.seq,
        name: &row.description,
        price,
        basis,
        quantity,
        unit,
        net: net_text.clone(),
    };
    match price {
        // A unit price may have no end in decimals: the exact amount for all units has.
        Some(known) if row.quantity > 0 && net >= 0 => {
            let seconds = known.meter == Meter::ComputeTime;
            let counted = if seconds { Nanos(row.quantity.saturating_mul(1_000)).decimal(0) } else { row.quantity.to_string() };
            let amount = if taxed_inside { net_text.clone() } else { row.exact_nanos.decimal(exponent) };
            common(amount, counted.clone(), counted, if seconds { "SEC" } else { "C62" })
        }
        // A price is never below zero (BR-27): what is given back is a quantity of minus one.
        _ => {
            let quantity = if net < 0 { "-1" } else { "1" };
            common(Minor(net.abs()).decimal(exponent), "1".into(), quantity.into(), "C62")
        }
    }
}

fn vat(snapshot: &Snapshot, base: String, amount: String) -> Vat {
    let Some(tax) = &snapshot.tax else {
        let reason = Some(("Not subject to VAT", "VATEX-EU-O"));
        return Vat { category: "O", rate: None, reason, base, amount, identified: false };
    };
    let rate = Some(format!("{}.{:02}", tax.rule.basis_points / 100, tax.rule.basis_points % 100));
    let (category, reason) = match tax.rule.category {
        Category::AE => ("AE", Some(("Reverse charge", "VATEX-EU-AE"))),
        Category::S if tax.rule.basis_points == 0 => ("Z", None),
        Category::S => ("S", None),
    };
    Vat { category, rate, reason, base, amount, identified: true }
}

fn date(snapshot: &Snapshot, instant: Time) -> String {
    cycle::date(&snapshot.time_zone, instant).format("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_whatever_is_shared() {
        for (parts, base) in
            [(vec![100, 100, 100], 252), (vec![1, 1, 1], 2), (vec![1190, -119], 900), (vec![5, -5], 0), (vec![-119, 19], -84), (vec![], 0)]
        {
            let shares = shares(&parts, base);
            assert_eq!((shares.iter().sum::<i64>(), shares.len()), (base, parts.len()), "{parts:?} {shares:?}");
        }
        assert_eq!(shares(&[12, 34, -6], 40), [12, 34, -6], "without tax inside nothing changes");
    }
}
