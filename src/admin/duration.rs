//! ISO 8601 durations: `P1M`, `P1D`, `PT1H`, `P1Y2M3DT4H5M6S`.

use chrono::TimeDelta;

use crate::accounts::clock::Advance;

/// Reads a duration of whole numbers; none when the text is something else, or empty of time.
pub fn parse(text: &str) -> Option<Advance> {
    let rest = text.strip_prefix('P')?;
    let (days, times) = match rest.split_once('T') {
        // `PT` promises a time.
        Some((_, "")) => return None,
        Some((days, times)) => (days, times),
        None => (rest, ""),
    };
    let mut advance = Advance::default();
    for (number, unit) in parts(days, "YMWD")? {
        match unit {
            'Y' => advance.months = advance.months.checked_add(number.checked_mul(12)?)?,
            'M' => advance.months = advance.months.checked_add(number)?,
            'W' => advance.exact += TimeDelta::weeks(number.into()),
            _ => advance.exact += TimeDelta::days(number.into()),
        }
    }
    for (number, unit) in parts(times, "HMS")? {
        advance.exact += match unit {
            'H' => TimeDelta::hours(number.into()),
            'M' => TimeDelta::minutes(number.into()),
            _ => TimeDelta::seconds(number.into()),
        };
    }
    (advance != Advance::default()).then_some(advance)
}

/// Numbers with their units, which come at most once each and in the order of `units`.
fn parts(mut text: &str, mut units: &str) -> Option<Vec<(u32, char)>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let end = text.find(|letter: char| !letter.is_ascii_digit())?;
        let unit = text[end..].chars().next()?;
        let at = units.find(unit)?;
        // Six digits of the largest unit are far beyond what a clock may be moved by, and nothing overflows.
        let number = text[..end].parse().ok().filter(|number| *number < 1_000_000)?;
        found.push((number, unit));
        (text, units) = (&text[end + 1..], &units[at + 1..]);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_not() {
        assert_eq!(parse("P1M"), Some(Advance { months: 1, exact: TimeDelta::zero() }));
        assert_eq!(parse("P1Y2M"), Some(Advance { months: 14, exact: TimeDelta::zero() }));
        assert_eq!(parse("P1D"), Some(Advance { months: 0, exact: TimeDelta::days(1) }));
        assert_eq!(parse("PT1H30M"), Some(Advance { months: 0, exact: TimeDelta::minutes(90) }));
        assert_eq!(parse("P1W"), Some(Advance { months: 0, exact: TimeDelta::weeks(1) }));
        for wrong in ["", "P", "PT", "1M", "P1", "PM", "P1H", "PT1D", "P-1M", "P1M1Y", "P1M1M", "P1MT", "P0D", "P9999999M", "p1m", "P1€"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
