//! Which parameters an operation knows. `"email address{city line1} lines{amount metadata}"`: words apart by spaces,
//! braces around the words of the level below (of each entry, for a list); without braces anything goes below.

use serde_json::Value;

use super::ApiError;

/// Refuses the first parameter that `words` does not name.
pub fn check(value: &Value, words: &str) -> Result<(), ApiError> {
    level(value, words, "")
}

fn level(value: &Value, words: &str, prefix: &str) -> Result<(), ApiError> {
    match value {
        Value::Array(entries) => entries.iter().enumerate().try_for_each(|(n, entry)| level(entry, words, &format!("{prefix}[{n}]"))),
        Value::Object(map) => map.iter().try_for_each(|(name, child)| {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}[{name}]") };
            match find(words, name) {
                Some(Some(below)) => level(child, below, &path),
                Some(None) => Ok(()),
                None => Err(unknown(name, &path)),
            }
        }),
        _ => Ok(()),
    }
}

fn unknown(name: &str, path: &str) -> ApiError {
    if name == "payment_method_types" {
        let message = "`payment_method_types` is no longer supported: payment methods are dynamic. Use \
                       `allowed_payment_method_types`, `excluded_payment_method_types` or `payment_method_configuration`.";
        return ApiError::invalid(message).code("payment_method_types_no_longer_supported").param(path);
    }
    ApiError::invalid(format!("Received unknown parameter: {path}")).code("parameter_unknown").param(path)
}

/// `None`: not known. `Some(None)`: known, anything below. `Some(Some(words))`: known, with these words below.
fn find<'a>(words: &'a str, name: &str) -> Option<Option<&'a str>> {
    let mut rest = words.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', '{']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let (below, after) = match after.strip_prefix('{') {
            Some(inner) => {
                let close = closing(inner);
                (Some(&inner[..close]), inner.get(close + 1..).unwrap_or_default())
            }
            None => (None, after),
        };
        if word == name {
            return Some(below);
        }
        rest = after.trim_start();
    }
    None
}

fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, letter) in text.char_indices() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if depth == 0 {
            return at;
        }
    }
    text.len()
}
