//! An event as it stands in an export. Its digest is made of the bytes that [`crate::metering::digest`] describes.

use entity::money::Nanos;
use entity::{Time, usage_event};
use serde::{Deserialize, Serialize};

use crate::metering::digest::{self, Digest};

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
        record.sha256 = hex::encode(record.digest().bytes());
        record
    }

    /// Of [`canonical`](Self::canonical); in hex it is `sha256` when nothing was changed.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical())
    }

    /// The bytes that digests are made of.
    pub fn canonical(&self) -> String {
        let counts = (self.quantity_before, self.quantity);
        digest::canonical(&self.id, &self.price_id, counts, Nanos(self.amount_nanos), self.at)
    }
}
