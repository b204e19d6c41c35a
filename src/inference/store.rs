//! Inputs and results of jobs as objects.

use std::sync::Arc;

use bytes::Bytes;
use entity::Time;
use entity::ids::{AccountId, JobId};
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, Result};

/// What is kept of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The image as it was sent; until the job ends.
    Input,
    /// The JSON of the answer; until the job's retention is over.
    Result,
}

impl What {
    fn folder(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Result => "results",
        }
    }
}

/// The objects of jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// In these objects.
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Keeps bytes; what was there before is replaced as a whole. Durable when it returns.
    ///
    /// # Errors
    /// When the store does not take them.
    pub async fn put(&self, what: What, account: AccountId, job: JobId, bytes: Bytes) -> Result<()> {
        self.objects.put(&path(what, account, job), bytes.into()).await.map(|_| ())
    }

    /// The bytes; none when they are not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, what: What, account: AccountId, job: JobId) -> Result<Option<Bytes>> {
        match self.objects.get(&path(what, account, job)).await {
            Ok(found) => found.bytes().await.map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the bytes, if they are there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn delete(&self, what: What, account: AccountId, job: JobId) -> Result<()> {
        match self.objects.delete(&path(what, account, job)).await {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done,
        }
    }

    /// Whose inputs have been there since before `instant`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inputs_before(&self, instant: Time) -> Result<Vec<(AccountId, JobId)>> {
        let inputs = self.objects.list(Some(&Path::from(What::Input.folder())));
        let old = |object: ObjectMeta| async move { Ok((object.last_modified < instant).then(|| owner(&object.location)).flatten()) };
        inputs.try_filter_map(old).try_collect().await
    }
}

fn path(what: What, account: AccountId, job: JobId) -> Path {
    Path::from_iter([what.folder(), &account.to_string(), &job.to_string()])
}

/// The account and job of an object; none of what is not ours.
fn owner(path: &Path) -> Option<(AccountId, JobId)> {
    let mut parts = path.as_ref().split('/').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
