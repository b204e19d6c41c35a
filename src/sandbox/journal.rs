//! An append-only file of JSON lines: what was answered is on disk before the answer leaves, so that a killed
//! sandbox still knows what it told. `None` keeps nothing, for tests.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::Value;

/// One journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    file: Option<(File, PathBuf)>,
}

impl Journal {
    /// Opens the journal and returns its lines. A torn last line (killed while writing) is dropped.
    pub fn open(path: Option<&Path>) -> anyhow::Result<(Self, Vec<Value>)> {
        let Some(path) = path else { return Ok((Self { file: None }, Vec::new())) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("sandbox state: {}", folder.display()))?;
        }
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("sandbox state: {}", path.display())),
        };
        let mut lines = Vec::new();
        let count = text.lines().count();
        for (n, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(value) => lines.push(value),
                Err(_) if n + 1 == count => tracing::warn!("sandbox state: a torn last line was dropped"),
                Err(error) => {
                    anyhow::bail!("sandbox state: {} line {}: {error}; delete the file to start afresh", path.display(), n + 1)
                }
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("sandbox state: {}", path.display()))?;
        Ok((Self { file: Some((file, path.to_owned())) }, lines))
    }

    /// Replaces the whole file by `lines`: drops what later lines overwrote.
    pub fn rewrite(&mut self, lines: &[Value]) -> anyhow::Result<()> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let fresh = path.with_extension("new");
        fs::write(&fresh, text_of(lines))?;
        fs::rename(&fresh, &*path)?;
        *file = OpenOptions::new().append(true).open(&*path)?;
        Ok(())
    }

    /// Appends `lines` in one write.
    pub fn append(&mut self, lines: &[Value]) -> std::io::Result<()> {
        match &mut self.file {
            Some((file, _)) if !lines.is_empty() => file.write_all(text_of(lines).as_bytes()),
            _ => Ok(()),
        }
    }
}

fn text_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
