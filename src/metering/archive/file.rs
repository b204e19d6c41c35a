//! A file in the store: written part by part, read part by part, each part checked against its hash.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytes::Bytes;
use entity::ids::{AccountId, EventId};
use entity::usage_archive;
use entity::usage_event::Model as Event;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};

use super::table::{Footer, Part};
use super::{Archive, ReadError, compute};
use crate::platform::secret::sha256;

/// An archived month that is open: its footer was read and is what was written.
#[derive(Debug, Clone)]
pub(in crate::metering) struct File {
    objects: Arc<dyn ObjectStore>,
    row: usage_archive::Model,
    footer: Arc<Footer>,
}

impl File {
    /// Reads the footer of an archived month.
    ///
    /// # Errors
    /// When the store does not answer, or the footer is another one.
    pub async fn open(archive: &Archive, row: usage_archive::Model) -> Result<Self, ReadError> {
        let bytes = row.bytes.unsigned_abs();
        let footer = fetch(&archive.objects, &row, bytes.saturating_sub(row.footer_bytes.unsigned_abs())..bytes, "its footer").await?;
        if sha256(&footer) != row.footer_sha256 {
            return Err(changed(&row, "its footer has another SHA-256"));
        }
        let footer = Footer::read(&footer).map_err(|error| changed(&row, error))?;
        Ok(Self { objects: archive.objects.clone(), row, footer: Arc::new(footer) })
    }

    /// Its parts, in its order.
    pub fn parts(&self) -> Range<usize> {
        0..self.footer.parts().len()
    }

    /// The parts that may have events of an account whose ids are within bounds.
    pub fn parts_with(&self, account: AccountId, ids: &RangeInclusive<EventId>) -> Vec<usize> {
        self.parts().filter(|index| self.footer.parts()[*index].may_have(account, ids)).collect()
    }

    /// The events of a part in the order of account and id; of one account when it is given.
    ///
    /// # Errors
    /// When the store does not answer, or the part is another one.
    pub async fn part(&self, index: usize, of: Option<AccountId>) -> Result<Vec<Event>, ReadError> {
        let Part { bytes, sha256: written, .. } = &self.footer.parts()[index];
        let found = fetch(&self.objects, &self.row, bytes.clone(), "a part of it").await?;
        let (footer, written) = (self.footer.clone(), written.clone());
        let decoded = compute(move || match hex::encode(sha256(&found)) == written {
            true => footer.decode(index, found, of).map_err(|error| error.to_string()),
            false => Err(format!("part {} of {} has another SHA-256", index + 1, footer.parts().len())),
        });
        decoded.await?.map_err(|what| changed(&self.row, what))
    }
}

fn changed(row: &usage_archive::Model, what: impl ToString) -> ReadError {
    ReadError::Changed { object: row.object.clone(), what: what.to_string() }
}

/// Some bytes of the object, as many as were asked for.
async fn fetch(objects: &Arc<dyn ObjectStore>, row: &usage_archive::Model, bytes: Range<u64>, what: &str) -> Result<Bytes, ReadError> {
    let path = Path::from(row.object.as_str());
    let length = bytes.end - bytes.start;
    let error = match objects.get_range(&path, bytes).await {
        Ok(found) if found.len() as u64 == length => return Ok(found),
        Ok(found) => return Err(changed(row, format!("{what} has {} bytes, expected {length}", found.len()))),
        Err(Error::NotFound { .. }) => return Err(changed(row, "it is not there")),
        Err(error) => error,
    };
    // A file that is too short is told as one: stores have many words for it.
    match objects.head(&path).await {
        Ok(found) if found.size != row.bytes.unsigned_abs() => {
            Err(changed(row, format!("it has {} bytes, expected {}", found.size, row.bytes)))
        }
        _ => Err(ReadError::Store { object: row.object.clone(), error }),
    }
}
