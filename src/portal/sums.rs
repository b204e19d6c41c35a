//! How the lines of an invoice become its total, as rows under a table.

use entity::money::Minor;

use super::show;
use crate::billing::invoice::snapshot::Discount;
use crate::billing::tax::{Category, Tax};

/// A row: what, and how much.
pub struct Sum {
    pub label: String,
    pub amount: String,
}

/// What makes a total out of a subtotal.
pub struct Parts<'a> {
    pub subtotal: Minor,
    pub discounts: &'a [Discount],
    pub tax: Option<&'a Tax>,
    pub credits_applied: Minor,
    pub carried_in: Minor,
    pub carried_out: Minor,
    pub currency: &'a str,
}

/// The rows from the subtotal to what is above the total; those of nothing are left out.
pub fn rows(parts: &Parts<'_>) -> Vec<Sum> {
    let row = |label: String, amount: Minor| Sum { label, amount: show::minor(amount, parts.currency) };
    let less = |label: String, amount: Minor| Sum { label, amount: format!("−{}", show::minor(amount, parts.currency)) };
    let mut rows = vec![row("Subtotal".into(), parts.subtotal)];
    rows.extend(parts.discounts.iter().filter(|one| one.amount.0 != 0).map(|one| less(one.description.clone(), one.amount)));
    if parts.credits_applied.0 != 0 {
        rows.push(less("Paid from credit".into(), parts.credits_applied));
    }
    rows.extend(parts.tax.map(|tax| row(taxed(tax, parts.currency), tax.amount)));
    if parts.carried_in.0 != 0 {
        rows.push(row("Brought forward".into(), parts.carried_in));
    }
    if parts.carried_out.0 != 0 {
        rows.push(row("Carried to the next invoice".into(), Minor(-parts.carried_out.0)));
    }
    rows
}

/// `VAT 19 % on $20.00`.
fn taxed(tax: &Tax, currency: &str) -> String {
    let rule = &tax.rule;
    if rule.category == Category::AE {
        return format!("{}, reverse charge", rule.name);
    }
    let rate = format!("{}.{:02}", rule.basis_points / 100, rule.basis_points % 100);
    let rate = rate.trim_end_matches('0').trim_end_matches('.');
    let included = if rule.included { ", included" } else { "" };
    format!("{} {rate} % on {}{included}", rule.name, show::minor(tax.base, currency))
}
