//! Money is integers: nano-units while it accrues, minor units on documents. No float, ever.

use std::fmt;

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

/// Nano-units (1e-9) of a currency's major unit: what usage accrues in. 1 500 000 nanos of usd are $0.0015.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize)]
pub struct Nanos(pub i64);

/// Minor units of a currency (cents, fen, yen): what documents and payments are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize)]
pub struct Minor(pub i64);

/// An amount does not fit 64 bits: 9.2 billion major units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the amount is larger than 9.2 billion units of the currency")
    }
}

impl std::error::Error for Overflow {}

impl Nanos {
    /// Sum, refusing to wrap.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// Difference, refusing to wrap.
    pub fn checked_sub(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// Rounds to minor units, half away from zero: the one rounding of an invoice line.
    pub fn round(self, exponent: u32) -> Minor {
        let unit = nanos_per_minor(exponent);
        let half = if self.0 < 0 { -unit / 2 } else { unit / 2 };
        // In i128: an amount near the end of i64 plus half a unit still fits.
        Minor(((self.0 as i128 + half as i128) / unit as i128) as i64)
    }

    /// Reads a decimal text such as `0.0015`, exactly and without a sign; none when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = !whole.is_empty() && fraction.len() <= 9 && digits(whole) && digits(fraction) && !text.ends_with('.');
        shaped.then(|| format!("{whole}{fraction:0<9}").parse().ok().map(Self)).flatten()
    }

    /// A decimal text with at least `exponent` digits behind the point and no idle zeros after that: `0.0015`, `9.50`.
    pub fn decimal(self, exponent: u32) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let mut fraction = format!("{:09}", magnitude % 1_000_000_000);
        while fraction.len() > exponent as usize && fraction.ends_with('0') {
            fraction.pop();
        }
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", magnitude / 1_000_000_000)
    }
}

impl Minor {
    /// The same amount in nanos.
    pub fn nanos(self, exponent: u32) -> Result<Nanos, Overflow> {
        self.0.checked_mul(nanos_per_minor(exponent)).map(Nanos).ok_or(Overflow)
    }

    /// A decimal text with exactly `exponent` digits behind the point: `12.50`, and `1250` for yen.
    pub fn decimal(self, exponent: u32) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let unit = 10u64.pow(exponent);
        let magnitude = self.0.unsigned_abs();
        if exponent == 0 {
            return format!("{sign}{magnitude}");
        }
        format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = exponent as usize)
    }
}

/// How many nanos one minor unit is: 10^(9 - exponent).
fn nanos_per_minor(exponent: u32) -> i64 {
    10i64.pow(9 - exponent)
}

/// Digits behind the point of a currency (ISO 4217), `code` in lower case as Stripe writes it.
pub fn exponent(code: &str) -> u32 {
    match code {
        "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "ugx" | "vnd" | "vuv" | "xaf" | "xof" | "xpf" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(Nanos(4_999_999).round(2), Minor(0));
        assert_eq!(Nanos(5_000_000).round(2), Minor(1));
        assert_eq!(Nanos(-5_000_000).round(2), Minor(-1));
        assert_eq!(Nanos(-4_999_999).round(2), Minor(0));
        assert_eq!(Nanos(i64::MAX).round(2), Minor(922_337_203_685));
        assert_eq!(Nanos(500_000_000).round(0), Minor(1));
    }

    #[test]
    fn a_decimal_reads_back_or_is_refused() {
        assert_eq!(Nanos::parse("0.0015"), Some(Nanos(1_500_000)));
        assert_eq!(Nanos::parse("12"), Some(Nanos(12_000_000_000)));
        for wrong in ["", ".5", "5.", "-1", "+1", "1e3", "1,5", "0.0000000001", "9999999999999", " 1", "１"] {
            assert_eq!(Nanos::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn decimals_keep_every_nano_and_no_idle_zero() {
        assert_eq!(Nanos(1_500_000).decimal(2), "0.0015");
        assert_eq!(Nanos(9_500_000_000).decimal(2), "9.50");
        assert_eq!(Nanos(-1).decimal(2), "-0.000000001");
        assert_eq!(Nanos(7_000_000_000).decimal(0), "7");
        assert_eq!(Minor(-5).decimal(2), "-0.05");
        assert_eq!(Minor(1250).decimal(0), "1250");
        assert_eq!(Minor(1250).decimal(3), "1.250");
    }
}
