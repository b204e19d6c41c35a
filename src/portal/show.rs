//! How amounts, counts and instants are written on pages.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use entity::money::{Minor, Nanos, exponent};

/// `$9.9985`, `¥12`, `12.50 CHF`: exact, without idle zeros.
pub fn nanos(amount: Nanos, currency: &str) -> String {
    with_sign(&amount.decimal(exponent(currency)), currency)
}

/// `$12.50`.
pub fn minor(amount: Minor, currency: &str) -> String {
    with_sign(&amount.decimal(exponent(currency)), currency)
}

/// A decimal text as the API writes it, as the pages write it.
pub fn with_sign(decimal: &str, currency: &str) -> String {
    let (minus, digits) = decimal.strip_prefix('-').map_or(("", decimal), |digits| ("−", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let point = if fraction.is_empty() { "" } else { "." };
    let text = format!("{}{point}{fraction}", grouped(whole));
    match currency {
        "usd" => format!("{minus}${text}"),
        "eur" => format!("{minus}€{text}"),
        "gbp" => format!("{minus}£{text}"),
        "cny" | "jpy" => format!("{minus}¥{text}"),
        other => format!("{minus}{text} {}", other.to_uppercase()),
    }
}

/// `1,234,567`.
pub fn count(number: i64) -> String {
    let minus = if number < 0 { "−" } else { "" };
    format!("{minus}{}", grouped(&number.unsigned_abs().to_string()))
}

/// `1 call`, `1,200 calls`.
pub fn calls(number: i64) -> String {
    format!("{} {}", count(number), if number == 1 { "call" } else { "calls" })
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `20 Nov 2026`.
pub fn day(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// `20 Nov 2026`, in UTC.
pub fn date(at: DateTime<Utc>) -> String {
    day(at.date_naive())
}

/// `20 Nov 2026, 21:30:05`, in UTC; the pages say so.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y, %H:%M:%S").to_string()
}

/// `20 Nov – 19 Dec 2026` for a half-open span: its last day is the one before it ends.
pub fn span(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let last = until - chrono::TimeDelta::seconds(1);
    let first = if from.year() == last.year() { from.format("%-d %b").to_string() } else { date(from) };
    format!("{first} – {}", date(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit_and_group_thousands() {
        assert_eq!(nanos(Nanos(1_500_000), "usd"), "$0.0015");
        assert_eq!(nanos(Nanos(-1_234_567_500_000_000), "usd"), "−$1,234,567.50");
        assert_eq!(minor(Minor(1250), "jpy"), "¥1,250");
        assert_eq!(minor(Minor(1250), "chf"), "12.50 CHF");
        assert_eq!(count(999), "999");
        assert_eq!(count(100_000), "100,000");
    }
}
