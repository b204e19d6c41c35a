//! Amounts that an operator sends: decimal texts of an account's currency.

use entity::money::{Minor, Nanos};

use crate::web::json::problem::{Code, Problem};

/// `12.50`, `-3`; exact to the currency's minor unit.
pub fn minor(field: &str, text: &str, exponent: u32) -> Result<Minor, Problem> {
    let nanos = exact(field, text)?;
    let amount = nanos.round(exponent);
    if amount.nanos(exponent) == Ok(nanos) {
        return Ok(amount);
    }
    Err(Problem::field(Code::InvalidField, field, format!("expected at most {exponent} digits behind the point")))
}

/// `0.0015`, `-3`.
pub fn exact(field: &str, text: &str) -> Result<Nanos, Problem> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let wrong = || Problem::field(Code::InvalidField, field, "expected a decimal text such as \"12.50\"");
    Nanos::parse(digits).map(|amount| Nanos(sign * amount.0)).ok_or_else(wrong)
}
