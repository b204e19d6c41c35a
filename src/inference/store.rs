//! Inputs and results of jobs as objects: in a folder, or in a bucket of whatever speaks S3.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entity::Time;
use entity::ids::{AccountId, JobId};
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, Result, RetryConfig};
use secrecy::ExposeSecret as _;

use crate::platform::config;

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
    /// The store of the configuration. A bucket is not asked whether it is there: the first use says.
    ///
    /// # Errors
    /// When the folder cannot be made, or a bucket's address is wrong.
    pub fn open(settings: &config::Storage) -> anyhow::Result<Self> {
        let Some(bucket) = &settings.bucket else { return folder(settings) };
        let mut s3 = AmazonS3Builder::new().with_bucket_name(bucket).with_region(&settings.region).with_retry(patience());
        if let Some(endpoint) = &settings.endpoint {
            // A minio beside us speaks plain http.
            s3 = s3.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http:"));
        }
        if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
            s3 = s3.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
        }
        Ok(Self::over(Arc::new(s3.build()?)))
    }

    /// Over any objects: for tests.
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

/// A submission waits for this: better told soon that it was not taken than kept for the three minutes of the default.
fn patience() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() }
}

fn folder(settings: &config::Storage) -> anyhow::Result<Store> {
    let shown = settings.folder.display();
    // Customers' images: for our own eyes.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings.folder)
        .map_err(|error| anyhow::anyhow!("storage.folder (LENSMETER_STORAGE): cannot make {shown}: {error}"))?;
    let objects = LocalFileSystem::new_with_prefix(&settings.folder)?.with_fsync(true).with_automatic_cleanup(true);
    Ok(Store::over(Arc::new(objects)))
}

fn path(what: What, account: AccountId, job: JobId) -> Path {
    Path::from_iter([what.folder(), &account.to_string(), &job.to_string()])
}

/// The account and job of an object; none of what is not ours.
fn owner(path: &Path) -> Option<(AccountId, JobId)> {
    let mut parts = path.as_ref().split('/').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
