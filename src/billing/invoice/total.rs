//! From lines to a total: credit, discounts, tax, what is carried over. Pure, so that a document can be added up again anywhere.
//!
//! Credit was bought or given at its price and pays for usage alone, never for fees or tax. Discounts come off what is left to
//! pay in money. Tax is on the lines without discounts and gifts: paid credit is a way of paying, no price reduction.

use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos, Overflow};
use serde::{Deserialize, Serialize};

use super::line::Line;
use crate::billing::tax::{self, Rule, Tax};

/// What decides on a total beside the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Credit that the document takes from grants.
    pub burnt: Nanos,
    /// What of `burnt` was a gift.
    pub promotional: Nanos,
    /// In the order in which they are taken off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<Coupon>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Rule>,
    /// What earlier documents left; below zero in the customer's favour.
    pub carried_in: Minor,
    /// Less than that is not collected but carried on.
    pub least_charge: Minor,
}

/// A coupon as it stands on a document: per cent, or an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    pub code: String,
    pub description: String,
    /// Hundredths of a per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_points: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Minor>,
}

/// The sums of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub subtotal: Minor,
    pub credits_applied: Minor,
    /// What of `credits_applied` was a gift.
    pub promotional: Minor,
    /// By coupon, in the order of the terms.
    pub discounts: Vec<Minor>,
    pub discount: Minor,
    pub tax: Option<Tax>,
    pub carried_in: Minor,
    pub carried_out: Minor,
    pub total: Minor,
}

/// What credit may pay for: usage, and what a volume price gives back of it.
fn is_usage(line: &Line) -> bool {
    matches!(line.kind, Kind::Usage | Kind::Volume)
}

/// The exact amount that credit may pay for.
///
/// # Errors
/// When the sum does not fit.
pub fn coverable(lines: &[Line]) -> Result<Nanos, Overflow> {
    let sum = lines.iter().filter(|line| is_usage(line)).try_fold(Nanos(0), |sum, line| sum.checked_add(line.exact))?;
    Ok(sum.max(Nanos(0)))
}

/// Adds a document up.
///
/// # Errors
/// When a sum does not fit.
pub fn add_up(lines: &[Line], terms: &Terms, exponent: u32) -> Result<Totals, Overflow> {
    let subtotal = sum(lines.iter().map(|line| line.amount))?;
    let usage = sum(lines.iter().filter(|line| is_usage(line)).map(|line| line.amount))?.0.max(0);
    // Covered to the nano: the usage lines are offset as they are rounded, so that exactly the rest is left to pay.
    let covered = terms.burnt == coverable(lines)?;
    let credits_applied = if covered { usage } else { terms.burnt.round(exponent).0.min(usage) };
    let promotional =
        if terms.promotional == terms.burnt { credits_applied } else { terms.promotional.round(exponent).0.min(credits_applied) };
    let discounts = discounts(&terms.coupons, less(subtotal.0, credits_applied)?)?;
    let discount = sum(discounts.iter().copied())?;
    let base = less(less(subtotal.0, promotional)?, discount.0)?;
    let tax = terms.tax.as_ref().map(|rule| rule.on(Minor(base))).transpose()?;
    let added = tax.as_ref().filter(|tax| !tax.rule.included).map_or(0, |tax| tax.amount.0);
    let due = less(less(subtotal.0, discount.0)?, credits_applied)?.checked_add(added).ok_or(Overflow)?;
    let due = due.checked_add(terms.carried_in.0).ok_or(Overflow)?;
    let carried_out = if due < terms.least_charge.0 { due } else { 0 };
    Ok(Totals {
        subtotal,
        credits_applied: Minor(credits_applied),
        promotional: Minor(promotional),
        discounts,
        discount,
        tax,
        carried_in: terms.carried_in,
        carried_out: Minor(carried_out),
        total: Minor(due - carried_out),
    })
}

/// Each takes off what those before it left, and together never more than there is.
fn discounts(coupons: &[Coupon], due: i64) -> Result<Vec<Minor>, Overflow> {
    let mut left = due.max(0);
    let mut taken = Vec::with_capacity(coupons.len());
    for coupon in coupons {
        let part = match (coupon.basis_points, coupon.amount) {
            (Some(basis_points), _) => tax::divided(i128::from(left) * i128::from(basis_points), 10_000)?,
            (None, Some(amount)) => amount.0,
            (None, None) => 0,
        };
        let part = part.clamp(0, left);
        left -= part;
        taken.push(Minor(part));
    }
    Ok(taken)
}

fn sum(amounts: impl Iterator<Item = Minor>) -> Result<Minor, Overflow> {
    amounts.map(|amount| amount.0).try_fold(0i64, i64::checked_add).map(Minor).ok_or(Overflow)
}

fn less(amount: i64, by: i64) -> Result<i64, Overflow> {
    amount.checked_sub(by).ok_or(Overflow)
}
