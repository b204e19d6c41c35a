//! A table of a model.toml, taken apart key by key, so that everything wrong with the file is found at once.

use std::{cell::RefCell, fmt::Display};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Everything wrong with one file, one sentence each.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<String>>);

impl Problems {
    /// Notes one.
    pub fn note(&self, problem: impl Display) {
        self.0.borrow_mut().push(problem.to_string());
    }

    /// All of them, in the order they were found.
    #[must_use]
    pub fn into_list(self) -> Vec<String> {
        self.0.into_inner()
    }
}

/// A table whose keys are taken out one after the other; what remains was unknown.
#[derive(Debug)]
pub struct Section<'p> {
    /// `input.` before its keys; nothing for the file itself.
    prefix: String,
    table: Table,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// The file itself.
    #[must_use]
    pub fn file(table: Table, problems: &'p Problems) -> Self {
        Self { prefix: String::new(), table, problems }
    }

    /// A table within it; an empty one when it is not there.
    #[must_use]
    pub fn section(&mut self, key: &str) -> Section<'p> {
        let table = self.optional(key).unwrap_or_default();
        Section { prefix: format!("{}{key}.", self.prefix), table, problems: self.problems }
    }

    /// Whether the key is there and was not taken.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key that may be missing; a value of another type is noted.
    #[must_use]
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value: Value = self.table.remove(key)?;
        value.try_into().map_err(|e: toml::de::Error| self.wrong(key, e.message())).ok()
    }

    /// The value of a key that must be there; noted when it is not.
    #[must_use]
    pub fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if !self.has(key) {
            self.wrong(key, "is missing");
        }
        self.optional(key)
    }

    /// Notes what is wrong with a key's value.
    pub fn wrong(&self, key: &str, why: impl Display) {
        self.problems.note(format_args!("{}{key}: {why}", self.prefix));
    }

    /// Notes a value that is none of what it may be.
    pub fn check(&self, holds: bool, key: &str, why: &str) {
        if !holds {
            self.wrong(key, why);
        }
    }

    /// Notes the keys that nobody took.
    pub fn end(self) {
        for key in self.table.keys() {
            self.wrong(key, "no such key is known here");
        }
    }
}
