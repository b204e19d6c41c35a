//! Asynchronous inference: where its inputs and results are, and how much of it there may be.

use std::path::PathBuf;

use chrono::TimeDelta;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::ConfigError;
use super::sections::url;

/// Where inputs and results of asynchronous jobs are: in a folder, or in a bucket of whatever speaks S3.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Every process of the installation sees the same folder.
    pub folder: PathBuf,
    /// With a bucket, the folder is not used.
    pub bucket: Option<String>,
    /// Of what is not Amazon's.
    #[serde(deserialize_with = "optional_url")]
    pub endpoint: Option<String>,
    pub region: String,
    /// Without a key, the role of the machine.
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<SecretString>,
    /// How long an ended job can be read.
    pub retention_hours: u32,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            folder: ".lensmeter/objects".into(),
            bucket: None,
            endpoint: None,
            region: "us-east-1".into(),
            access_key_id: None,
            secret_access_key: None,
            retention_hours: 72,
        }
    }
}

impl Storage {
    /// How long an ended job can be read.
    pub fn retention(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.retention_hours))
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        // Not less than an idempotency key lives: a replayed submission would name a job that is gone.
        if !(24..=8760).contains(&self.retention_hours) {
            let found = self.retention_hours;
            return Err(ConfigError(format!(
                "storage.retention_hours (LENSMETER_RETENTION_HOURS): expected 24 to 8760 hours, found {found}"
            )));
        }
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(_), None) => Err(ConfigError("storage.secret_access_key (AWS_SECRET_ACCESS_KEY): is missing".into())),
            (None, Some(_)) => Err(ConfigError("storage.access_key_id (AWS_ACCESS_KEY_ID): is missing".into())),
            _ => Ok(()),
        }
    }
}

/// How much asynchronous work there may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// Jobs that one process runs at a time: few, so that calls that someone waits for find the models free.
    pub concurrency: usize,
    /// Jobs of one account that have not ended.
    pub per_account: u32,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { concurrency: 2, per_account: 1000 }
    }
}

impl Jobs {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.concurrency == 0 {
            return Err(ConfigError("jobs.concurrency (LENSMETER_JOBS_CONCURRENCY): expected at least 1".into()));
        }
        Ok(())
    }
}

fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    url(deserializer).map(Some)
}
