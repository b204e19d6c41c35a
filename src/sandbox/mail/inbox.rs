//! The caught mails, oldest first inside, with their journal.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::{clock::real_now, journal::Journal};

/// One mail as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mail {
    /// Ours, growing with time.
    pub id: String,
    /// When it came (seconds).
    pub received: i64,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients: with blind copies.
    pub to: Vec<String>,
    /// The message, base64.
    raw: String,
}

impl Mail {
    /// A mail that came now.
    pub fn new(from: String, to: Vec<String>, raw: &[u8]) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        Self { id, received: real_now().timestamp(), from, to, raw: BASE64_STANDARD.encode(raw) }
    }

    /// The bytes of the message.
    pub fn raw(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.raw).unwrap_or_default()
    }
}

/// The shared handle.
#[derive(Debug, Clone)]
pub struct Caught(Arc<Mutex<(Vec<Mail>, Journal)>>);

impl Caught {
    /// Opens the mails beside the state file, or starts empty.
    pub fn open(state_file: Option<&Path>) -> anyhow::Result<Self> {
        let path = state_file.map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".mail");
            PathBuf::from(name)
        });
        let (mut journal, lines) = Journal::open(path.as_deref())?;
        let mut mails: Vec<Mail> = Vec::new();
        for line in lines {
            match serde_json::from_value(line) {
                Ok(mail) => mails.push(mail),
                // Any other line is the mark of an emptied inbox.
                Err(_) => mails.clear(),
            }
        }
        let kept: Vec<Value> = mails.iter().map(|mail| json!(mail)).collect();
        journal.rewrite(&kept)?;
        Ok(Self(Arc::new(Mutex::new((mails, journal)))))
    }

    /// Keeps a mail; on disk before the sender hears that it was taken.
    pub fn keep(&self, mail: Mail) -> std::io::Result<()> {
        let mut guard = self.lock();
        guard.1.append(&[json!(mail)])?;
        guard.0.push(mail);
        Ok(())
    }

    /// All mails, newest first.
    pub fn all(&self) -> Vec<Mail> {
        self.lock().0.iter().rev().cloned().collect()
    }

    /// One mail.
    pub fn get(&self, id: &str) -> Option<Mail> {
        self.lock().0.iter().find(|mail| mail.id == id).cloned()
    }

    /// Empties the inbox.
    pub fn clear(&self) {
        let mut guard = self.lock();
        guard.0.clear();
        if let Err(error) = guard.1.append(&[json!({"cleared": true})]) {
            tracing::error!(%error, "the mail catcher cannot write its state");
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Mail>, Journal)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
