//! Lines and totals: exact nanos, one rounding per line, and what credit covers.

use entity::ids::PriceId;
use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos, Overflow};

/// A line before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub description: String,
    /// Of a usage line.
    pub price_id: Option<PriceId>,
    pub quantity: i64,
    pub exact: Nanos,
    /// `exact` rounded once, half away from zero.
    pub amount: Minor,
    /// `amount` minus `exact`.
    pub rounding: Nanos,
    pub events: i64,
    /// SHA-256 over the events, see [`super::record`]; of nothing for a line without events.
    pub events_digest: Vec<u8>,
}

/// The sums of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub subtotal: Minor,
    pub credits_applied: Minor,
    pub total: Minor,
    /// Credit that the usage takes, exactly. The base fee is never paid from credit.
    pub burnt: Nanos,
}

impl Line {
    /// The plan itself, for one period.
    ///
    /// # Errors
    /// When the fee does not fit.
    pub fn base_fee(plan_name: &str, fee: Minor, exponent: u32) -> Result<Self, Overflow> {
        Ok(Self {
            kind: Kind::BaseFee,
            description: format!("{plan_name} plan, monthly fee"),
            price_id: None,
            quantity: 1,
            exact: fee.nanos(exponent)?,
            amount: fee,
            rounding: Nanos(0),
            events: 0,
            events_digest: super::record::Digest::default().finish(),
        })
    }

    /// The usage of one price.
    ///
    /// # Errors
    /// When the amount does not fit.
    pub fn usage(
        description: String,
        price_id: PriceId,
        (quantity, events): (i64, i64),
        exact: Nanos,
        events_digest: Vec<u8>,
        exponent: u32,
    ) -> Result<Self, Overflow> {
        let amount = exact.round(exponent);
        Ok(Self {
            kind: Kind::Usage,
            description,
            price_id: Some(price_id),
            quantity,
            exact,
            amount,
            rounding: amount.nanos(exponent)?.checked_sub(exact)?,
            events,
            events_digest,
        })
    }
}

/// Sums lines, with `available` credit against the usage among them. When credit covers all of it, the usage lines are
/// offset as they are rounded, so that exactly the base fee is left to pay.
///
/// # Errors
/// When a sum does not fit.
pub fn totals(lines: &[Line], available: Nanos, exponent: u32) -> Result<Totals, Overflow> {
    let (mut subtotal, mut usage_minor, mut usage) = (0i64, 0i64, Nanos(0));
    for line in lines {
        subtotal = subtotal.checked_add(line.amount.0).ok_or(Overflow)?;
        if line.kind == Kind::Usage {
            usage_minor = usage_minor.checked_add(line.amount.0).ok_or(Overflow)?;
            usage = usage.checked_add(line.exact)?;
        }
    }
    let burnt = usage.min(available).max(Nanos(0));
    let credits_applied = if burnt == usage { usage_minor } else { burnt.round(exponent).0.min(usage_minor) };
    Ok(Totals { subtotal: Minor(subtotal), credits_applied: Minor(credits_applied), total: Minor(subtotal - credits_applied), burnt })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(exact: i64) -> Line {
        Line::usage("images".into(), PriceId::new(), (1, 1), Nanos(exact), Vec::new(), 2).unwrap()
    }

    #[test]
    fn covered_usage_leaves_exactly_the_base_fee() {
        let fee = Line::base_fee("Standard", Minor(500), 2).unwrap();
        // Two lines of half a cent each round up to two cents, while the credit that they take is one.
        let totals = totals(&[fee, usage(5_000_000), usage(5_000_000)], Nanos(10_000_000), 2).unwrap();
        assert_eq!(totals, Totals { subtotal: Minor(502), credits_applied: Minor(2), total: Minor(500), burnt: Nanos(10_000_000) });
    }

    #[test]
    fn usage_beyond_the_credit_is_owed() {
        let totals = totals(&[usage(30_000_000)], Nanos(20_000_000), 2).unwrap();
        assert_eq!(totals, Totals { subtotal: Minor(3), credits_applied: Minor(2), total: Minor(1), burnt: Nanos(20_000_000) });
    }

    #[test]
    fn an_empty_invoice_is_zero() {
        assert_eq!(totals(&[], Nanos(7), 2).unwrap().total, Minor(0));
    }
}
