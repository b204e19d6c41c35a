//! Pages from elsewhere, with the boxes that are on them: what `tests/pages/make` draws with Chromium.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    eval::EvalError,
    geometry::Rect,
    photo::photograph,
    scene::Scene,
    sheet::{CLASSES, Object},
};

/// One object of a page's file.
#[derive(Deserialize)]
struct Entry {
    class: String,
    #[serde(rename = "box")]
    rect: Rect,
}

/// Every page of a folder: a picture (PNG or JPEG) and beside it a JSON list of `class` and `box` (left, top, right, bottom in pixels).
///
/// # Errors
/// When a file cannot be read or names a class that there is not.
pub fn open(folder: &Path) -> Result<Vec<Scene>, EvalError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| EvalError::Page(path.to_owned(), error.to_string());
    let listed = std::fs::read_dir(folder).map_err(|e| failed(folder, &e))?;
    let mut paths: Vec<_> =
        listed.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.retain(|path| picture_of(path).is_some());
    paths.sort();
    let page = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|e| failed(path, &e))?;
        let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|e| failed(path, &e))?;
        let image = image::open(picture_of(path).as_deref().unwrap_or(path)).map_err(|e| failed(path, &e))?.to_rgb8();
        let object = |entry: &Entry| {
            let class = CLASSES.iter().position(|class| *class == entry.class).ok_or_else(|| failed(path, &entry.class))?;
            Ok::<_, EvalError>(Object::plain(class, entry.rect))
        };
        Ok(Scene { image, objects: entries.iter().map(object).collect::<Result<_, _>>()? })
    };
    paths.iter().map(page).collect()
}

fn picture_of(list: &Path) -> Option<PathBuf> {
    [list.with_extension("png"), list.with_extension("jpg")].into_iter().find(|path| path.exists())
}

/// The same pages, photographed.
#[must_use]
pub fn photos(pages: &[Scene]) -> Vec<Scene> {
    (0u64..).zip(pages).map(|(seed, page)| photograph(page, seed)).collect()
}
