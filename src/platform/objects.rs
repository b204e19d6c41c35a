//! Opening the objects of the configuration: a folder, or a bucket of whatever speaks S3. Who keeps what in them names its
//! own paths.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, RetryConfig};
use secrecy::ExposeSecret as _;

use super::config;

/// The objects of the configuration. A bucket is not asked whether it is there: the first use says.
///
/// # Errors
/// When the folder cannot be made, or a bucket's address is wrong.
pub fn open(settings: &config::Storage) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let Some(bucket) = &settings.bucket else { return folder(settings) };
    let mut s3 = AmazonS3Builder::new().with_bucket_name(bucket).with_region(&settings.region).with_retry(patience());
    if let Some(endpoint) = &settings.endpoint {
        // A minio beside us speaks plain http.
        s3 = s3.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http:"));
    }
    if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
        s3 = s3.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
    }
    Ok(Arc::new(s3.build()?))
}

/// A submission waits for this: better told soon that it was not taken than kept for the three minutes of the default.
fn patience() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() }
}

fn folder(settings: &config::Storage) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let shown = settings.folder.display();
    // Customers' images and usage: for our own eyes.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings.folder)
        .map_err(|error| anyhow::anyhow!("storage.folder (LENSMETER_STORAGE): cannot make {shown}: {error}"))?;
    let objects = LocalFileSystem::new_with_prefix(&settings.folder)?.with_fsync(true).with_automatic_cleanup(true);
    Ok(Arc::new(objects))
}
