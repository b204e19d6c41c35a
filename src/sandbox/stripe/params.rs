//! The parameters of one call: unknown ones are refused, typed ones are checked, with Stripe's messages.

use serde_json::{Map, Value};

use super::ApiError;

/// A level of the decoded parameters; `prefix` is its name from the root, for messages.
#[derive(Debug, Clone, Default)]
pub struct Params {
    prefix: String,
    value: Value,
}

impl Params {
    /// The root level.
    pub fn new(value: Value) -> Self {
        Self { prefix: String::new(), value }
    }

    /// The whole level, undecoded.
    pub fn raw(&self) -> &Value {
        &self.value
    }

    /// The full name of `name`: `line_items[0][price]`.
    pub fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.prefix) }
    }

    /// Whether it was sent, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// A string; an empty one counts as absent (Stripe's way to clear a field).
    pub fn str(&self, name: &str) -> Option<&str> {
        self.value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A string as JSON, or null.
    pub fn text(&self, name: &str) -> Value {
        self.str(name).map_or(Value::Null, Value::from)
    }

    /// A string that must be there.
    pub fn need(&self, name: &str) -> Result<&str, ApiError> {
        self.str(name).ok_or_else(|| self.absent(name))
    }

    /// An integer, if sent.
    pub fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.str(name) else { return Ok(None) };
        let invalid = || ApiError::invalid(format!("Invalid integer: {text}")).code("parameter_invalid_integer").param(&self.path(name));
        text.parse().map(Some).map_err(|_| invalid())
    }

    /// An integer that must be there.
    pub fn need_int(&self, name: &str) -> Result<i64, ApiError> {
        self.int(name)?.ok_or_else(|| self.absent(name))
    }

    /// A boolean, if sent.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.str(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}")).param(&self.path(name))),
        }
    }

    /// A string out of a closed list, if sent.
    pub fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.str(name) {
            Some(word) if !words.contains(&word) => {
                let message = format!("Invalid {name}: must be one of {}", words.join(", "));
                Err(ApiError::invalid(message).param(&self.path(name)))
            }
            word => Ok(word),
        }
    }

    /// The level below `name`, empty if it was not sent.
    pub fn at(&self, name: &str) -> Params {
        Params { prefix: self.path(name), value: self.value.get(name).cloned().unwrap_or_default() }
    }

    /// The entries of a list.
    pub fn list(&self, name: &str) -> Vec<Params> {
        let entries = self.value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let named = |(n, value)| Params { prefix: format!("{}[{n}]", self.path(name)), value };
        entries.into_iter().enumerate().map(named).collect()
    }

    /// A three-letter currency, lower case as Stripe answers it.
    pub fn currency(&self, name: &str) -> Result<String, ApiError> {
        let word = self.need(name)?.to_lowercase();
        if word.len() == 3 && word.bytes().all(|b| b.is_ascii_lowercase()) {
            return Ok(word);
        }
        Err(ApiError::invalid(format!("Invalid currency: {word}")).param(&self.path(name)))
    }

    /// `metadata` laid over what there was: an empty value removes its key.
    pub fn metadata_over(&self, before: &Value) -> Value {
        let mut all: Map<String, Value> = before.as_object().cloned().unwrap_or_default();
        match self.value.get("metadata") {
            Some(Value::Object(sent)) => {
                for (key, value) in sent {
                    if value.as_str() == Some("") {
                        all.remove(key);
                    } else {
                        all.insert(key.clone(), value.clone());
                    }
                }
            }
            Some(_) => all.clear(),
            None => {}
        }
        Value::Object(all)
    }

    /// `metadata` of one name laid over, where null means that it was not sent.
    pub fn metadata_if_sent(&self, before: &Value) -> Value {
        if self.value["metadata"].is_object() { self.metadata_over(before) } else { before.clone() }
    }

    /// `parameter_missing`.
    pub fn absent(&self, name: &str) -> ApiError {
        let path = self.path(name);
        ApiError::invalid(format!("Missing required param: {path}.")).code("parameter_missing").param(&path)
    }
}
