//! What the demo keeps in `.lensmeter/`: a lock, secrets, and what a person needs to go on by hand.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::platform::secret;

/// The folder, locked: two demos on the same data would stop each other's database.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Generated once, kept so that a later start can read what an earlier one wrote.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub server_secret: String,
    pub admin_token: String,
    pub webhook_secret: String,
    pub database_password: String,
}

/// `demo.json`, as the contract has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub url: String,
    pub email: String,
    pub password: String,
    pub api_key: String,
    pub account_id: String,
    pub admin_token: String,
    pub sandbox_url: String,
    pub mail_url: String,
    pub database_url: String,
}

impl Folder {
    /// Makes and locks the folder.
    ///
    /// # Errors
    /// When another demo has it, or it cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = File::create(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another `lensmeter demo` runs on {}: stop it first, or give this one its own folder with --data", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the folder"),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes everything but the lock; the cluster must be stopped.
    pub fn clear(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            match entry.file_name() == "lock" {
                true => {}
                false if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    /// The secrets of this folder, made on the first start.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        if let Some(known) = self.read("secrets.json")? {
            return Ok(known);
        }
        let fresh = Secrets {
            server_secret: secret::token(),
            admin_token: secret::token(),
            webhook_secret: format!("whsec_{}", secret::alphanumeric(32)),
            database_password: secret::alphanumeric(32),
        };
        self.write("secrets.json", &fresh)?;
        Ok(fresh)
    }

    pub fn saved(&self) -> anyhow::Result<Option<Saved>> {
        self.read("demo.json")
    }

    pub fn save(&self, saved: &Saved) -> anyhow::Result<()> {
        self.write("demo.json", saved)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let path = self.file(name);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let broken = || format!("{} cannot be read; `lensmeter demo --reset` starts anew", path.display());
        serde_json::from_str(&text).map(Some).with_context(broken)
    }

    /// Whole or not at all, and for its owner only: a kill in the middle leaves the file as it was.
    fn write(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let beside = self.file(&format!("{name}.new"));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(serde_json::to_string_pretty(value)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(beside, self.file(name)).map_err(Into::into)
    }
}
