//! An event as it stands in an export, and the bytes that digests are made of.
//!
//! Canonical bytes of an event: its fields `id`, `price_id`, `quantity_before`, `quantity`, `amount_nanos` and `at` (microseconds
//! since 1970), as decimal or prefixed text, separated by tabs and ended by a line feed. The digest of an invoice line is
//! the SHA-256 of these lines one after the other, in the order of the events' ids (bytewise, which is by time).

use entity::{Time, usage_event};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One event of an exported invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    pub id: String,
    pub price_id: String,
    pub quantity_before: i64,
    pub quantity: i64,
    pub amount_nanos: i64,
    pub at: Time,
    pub task: String,
    pub model: String,
    pub model_version: String,
    /// SHA-256 of the canonical bytes, in hex: names the event that was changed.
    pub sha256: String,
}

impl EventRecord {
    /// As the event is exported.
    pub fn of(event: &usage_event::Model) -> Self {
        let mut record = Self {
            id: event.id.to_string(),
            price_id: event.price_id.to_string(),
            quantity_before: event.quantity_before,
            quantity: event.quantity,
            amount_nanos: event.amount_nanos.0,
            at: event.at,
            task: event.task.clone(),
            model: event.model.clone(),
            model_version: event.model_version.clone(),
            sha256: String::new(),
        };
        record.sha256 = record.digest();
        record
    }

    /// SHA-256 of [`canonical`](Self::canonical) in hex: what `sha256` is when nothing was changed.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.canonical()))
    }

    /// The bytes that digests are made of.
    pub fn canonical(&self) -> String {
        let Self { id, price_id, quantity_before, quantity, amount_nanos, at, .. } = self;
        format!("{id}\t{price_id}\t{quantity_before}\t{quantity}\t{amount_nanos}\t{}\n", at.timestamp_micros())
    }
}

/// The digest of a line, fed event by event.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Takes the next event in order of id.
    pub fn update(&mut self, event: &EventRecord) {
        self.0.update(event.canonical());
    }

    /// 32 bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}
