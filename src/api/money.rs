//! Money in JSON: decimal texts beside a currency. No float ever holds an amount.

use entity::money::{Minor, Nanos, exponent};

/// `0.0015`, `9.50`: every nano, no idle zeros.
pub fn nanos(amount: Nanos, currency: &str) -> String {
    amount.decimal(exponent(currency))
}

/// `12.50`, and `1250` for yen.
pub fn minor(amount: Minor, currency: &str) -> String {
    amount.decimal(exponent(currency))
}
