//! What the folder of models holds at one moment, as fingerprints: names, sizes, times and inodes of the files, which
//! works on every file system.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs,
    hash::{Hash as _, Hasher as _},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    registry::{self, OpenError},
    routing,
};

/// Fingerprints by folder of a version, and of the routing file where there is one.
pub type Look = BTreeMap<PathBuf, u64>;

/// Looks at every version below `folder`.
///
/// # Errors
/// When the folder cannot be read or holds no model.
pub fn look(folder: &Path) -> Result<Look, OpenError> {
    let manifests = registry::manifests(folder)?;
    let versions = manifests.iter().filter_map(|manifest| manifest.parent()).map(Path::to_owned);
    let marked = |path: PathBuf| {
        // One that vanishes meanwhile is gone in the next look.
        let mark = fingerprint(&path).ok()?;
        Some((path, mark))
    };
    Ok(versions.chain([folder.join(routing::FILE)]).filter_map(marked).collect())
}

/// Of a file, or of a folder with all that is in it.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn fingerprint(path: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    add(path, &mut hasher)?;
    Ok(hasher.finish())
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let file = fs::metadata(path)?;
    if !file.is_dir() {
        (path, file.len(), file.mtime(), file.mtime_nsec(), file.ino()).hash(hasher);
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| add(entry, hasher))
}

/// The versions of a look.
pub fn versions<'a>(look: &'a Look, folder: &Path) -> impl Iterator<Item = &'a PathBuf> {
    let routing = folder.join(routing::FILE);
    look.keys().filter(move |path| **path != routing)
}

/// `name/version` of the folder of a version.
#[must_use]
pub fn id_of(version: &Path) -> String {
    let (name, version) = names_of(version);
    format!("{name}/{version}")
}

/// Name and version by the folder of a version.
#[must_use]
pub fn names_of(version: &Path) -> (String, String) {
    let last = |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    (last(version.parent()), last(Some(version)))
}
