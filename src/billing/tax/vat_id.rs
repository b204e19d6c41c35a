//! The shape of VAT ids, country by country (Council Regulation 904/2010 and the VIES specification; GB, CH and NO as their
//! authorities publish them). The shape alone: whether an id is registered only the authority knows.

/// What is wrong with a VAT id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VatIdError {
    #[error("a VAT id of {country} looks like {example}")]
    Shape { country: String, example: &'static str },
    #[error("we know no VAT ids of {0}")]
    Country(String),
}

/// Country, prefix of its ids, and shapes behind the prefix: `9` a digit, `A` a letter, `*` either, else itself.
const SHAPES: [(&str, &str, &[&str]); 30] = [
    ("AT", "AT", &["U99999999"]),
    ("BE", "BE", &["0999999999", "1999999999"]),
    ("BG", "BG", &["999999999", "9999999999"]),
    ("CH", "CHE", &["999999999", "999999999MWST", "999999999TVA", "999999999IVA"]),
    ("CY", "CY", &["99999999A"]),
    ("CZ", "CZ", &["99999999", "999999999", "9999999999"]),
    ("DE", "DE", &["999999999"]),
    ("DK", "DK", &["99999999"]),
    ("EE", "EE", &["999999999"]),
    ("ES", "ES", &["A9999999A", "A99999999", "99999999A"]),
    ("FI", "FI", &["99999999"]),
    ("FR", "FR", &["**999999999"]),
    ("GB", "GB", &["999999999", "999999999999", "GD999", "HA999"]),
    ("GR", "EL", &["999999999"]),
    ("HR", "HR", &["99999999999"]),
    ("HU", "HU", &["99999999"]),
    ("IE", "IE", &["9999999A", "9999999AA", "9*99999A"]),
    ("IT", "IT", &["99999999999"]),
    ("LT", "LT", &["999999999", "999999999999"]),
    ("LU", "LU", &["99999999"]),
    ("LV", "LV", &["99999999999"]),
    ("MT", "MT", &["99999999"]),
    ("NL", "NL", &["************"]),
    ("NO", "NO", &["999999999", "999999999MVA"]),
    ("PL", "PL", &["9999999999"]),
    ("PT", "PT", &["999999999"]),
    ("RO", "RO", &["99", "999", "9999", "99999", "999999", "9999999", "99999999", "999999999", "9999999999"]),
    ("SE", "SE", &["999999999999"]),
    ("SI", "SI", &["99999999"]),
    ("SK", "SK", &["9999999999"]),
];

/// Capitals and digits alone, as ids are stored: `de 123.456-789` is `DE123456789`.
pub fn tidied(typed: &str) -> String {
    typed.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '.' | '-' | '/')).flat_map(char::to_uppercase).collect()
}

/// Checks the shape of a [`tidied`] id of a country.
///
/// # Errors
/// When it is none of that country, with an example of one; or when we know no ids of that country.
pub fn check(country: &str, id: &str) -> Result<(), VatIdError> {
    let Some((_, prefix, shapes)) = SHAPES.iter().find(|(known, _, _)| *known == country) else {
        return Err(VatIdError::Country(country.into()));
    };
    let fits = id.strip_prefix(prefix).is_some_and(|rest| shapes.iter().any(|shape| matches_shape(shape, rest)));
    if fits { Ok(()) } else { Err(VatIdError::Shape { country: country.into(), example: example(country) }) }
}

fn matches_shape(shape: &str, text: &str) -> bool {
    let fits = |(wanted, found): (u8, u8)| match wanted {
        b'9' => found.is_ascii_digit(),
        b'A' => found.is_ascii_uppercase(),
        b'*' => found.is_ascii_digit() || found.is_ascii_uppercase(),
        letter => letter == found,
    };
    shape.len() == text.len() && shape.bytes().zip(text.bytes()).all(fits)
}

fn example(country: &str) -> &'static str {
    match country {
        "AT" => "ATU12345678",
        "CH" => "CHE123456789",
        "CY" => "CY12345678X",
        "ES" => "ESX1234567X",
        "FR" => "FR12345678901",
        "GR" => "EL123456789",
        "IE" => "IE1234567X",
        "NL" => "NL123456789B01",
        "SE" => "SE123456789012",
        _ => "its two letters and then digits, such as DE123456789",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_of_the_country() {
        let right = [
            ("DE", "DE123456789"),
            ("AT", "ATU12345678"),
            ("FR", "FRXX999999999"),
            ("NL", "NL123456789B01"),
            ("GR", "EL123456789"),
            ("CH", "CHE123456789MWST"),
            ("GB", "GBGD001"),
            ("RO", "RO99"),
        ];
        for (country, id) in right {
            assert_eq!(check(country, id), Ok(()), "{id}");
        }
        for (country, id) in
            [("DE", "DE12345678"), ("DE", "FR12345678901"), ("AT", "AT12345678"), ("GR", "GR123456789"), ("DE", ""), ("DE", "DE12345678９")]
        {
            assert!(matches!(check(country, id), Err(VatIdError::Shape { .. })), "{id}");
        }
        assert_eq!(check("US", "US123"), Err(VatIdError::Country("US".into())));
    }

    #[test]
    fn what_people_type_is_tidied() {
        assert_eq!(tidied(" de 123.456-789 "), "DE123456789");
    }
}
