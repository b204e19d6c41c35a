//! The fonts of this machine, sorted into those for training and those that only the evaluation may see.
//!
//! Fonts come from Debian packages below `/usr/share/fonts` and never into the repository.

use std::path::{Path, PathBuf};

use ab_glyph::{Font, FontVec, GlyphId, PxScale};

use super::dice::Dice;

/// Families that training never sees, by how their file names begin (lower case).
const HELD_OUT: [&str; 12] =
    ["opensans", "lato", "inter", "ebgaramond", "pts", "ptf", "ptm", "charis", "ocrb", "takao", "nanum", "mononoki"];
/// Fonts of signs, of one script without Latin letters, or of joke letter forms.
const UNFIT: [&str; 14] =
    ["math", "emoji", "symbol", "d050000l", "dingbat", "icons", "msam", "msbm", "rsfs", "ornament", "initial", "ocra", "z003", "lohit"];
/// Families of screens and office paper: drawn more often than the rest.
const COMMON: [&str; 12] = [
    "dejavusans",
    "liberationsans",
    "roboto",
    "cantarell",
    "arimo",
    "carlito",
    "liberationserif",
    "tinos",
    "nimbussans",
    "freesans",
    "manrope",
    "clearsans",
];

/// Which fonts a scene may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// For measuring: families that training never saw.
    Eval,
}

/// What a font can write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scripts {
    /// Letters with marks, as in most of Europe.
    pub accents: bool,
    /// Russian.
    pub cyrillic: bool,
    /// Greek.
    pub greek: bool,
    /// Chinese characters.
    pub han: bool,
    /// Japanese syllables.
    pub kana: bool,
    /// Korean syllables.
    pub hangul: bool,
}

/// One font file.
#[derive(Debug)]
pub struct Face {
    font: FontVec,
    family: String,
    scripts: Scripts,
    /// Height of the band of a text line over and under the baseline, in em.
    band: (f32, f32),
}

impl Face {
    fn read(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?.to_lowercase();
        let family = stem.split(['-', '_', '.']).next()?.trim_end_matches("regular").to_owned();
        let font = FontVec::try_from_vec_and_index(std::fs::read(path).ok()?, 0).ok()?;
        let inked = |text: &str| text.chars().all(|c| outline(&font, c).is_some());
        if UNFIT.iter().any(|word| stem.contains(word)) || !inked("abcdefgopqxyzABCKRSTZ0123456789.,:-") {
            return None;
        }
        let scripts = Scripts {
            accents: inked("äöüßéèçñåøÄÉ"),
            cyrillic: inked("абвгдежзиклмнопрстуФЯ"),
            greek: inked("αβγδεζηθικλμνξΣΩ"),
            han: inked("国日中大学生年月人文"),
            kana: inked("あいうカキクのには"),
            hangul: inked("한국어가나다"),
        };
        // The band is that of tall and hanging letters, the same for every line: "see" and "Sky" in one size are equally high.
        let top = "bdhklEH".chars().filter_map(|c| outline(&font, c)).fold(0., |top: f32, (_, above)| top.max(above));
        let bottom = "gpqy".chars().filter_map(|c| outline(&font, c)).fold(0., |low: f32, (below, _)| low.min(below));
        Some(Self { font, family, scripts, band: (top, -bottom) })
    }

    /// What it can write.
    #[must_use]
    pub fn scripts(&self) -> Scripts {
        self.scripts
    }

    /// Over and under the baseline, in em.
    #[must_use]
    pub fn band(&self) -> (f32, f32) {
        self.band
    }

    /// The font at a size in pixels per em.
    #[must_use]
    pub fn scale(&self, em: f32) -> PxScale {
        // ab_glyph scales by ascent - descent instead of the em.
        let units = self.font.units_per_em().unwrap_or(1000.);
        PxScale::from(em * self.font.height_unscaled() / units)
    }

    /// The glyph of a character; none when the font lacks it (it would draw a blank or a box).
    #[must_use]
    pub fn glyph(&self, c: char) -> Option<GlyphId> {
        Some(self.font.glyph_id(c)).filter(|id| id.0 != 0)
    }

    /// For drawing.
    #[must_use]
    pub fn font(&self) -> &FontVec {
        &self.font
    }
}

/// Lowest and highest point of a character over the baseline, in em; none when it draws nothing.
fn outline(font: &FontVec, c: char) -> Option<(f32, f32)> {
    let id = Some(font.glyph_id(c)).filter(|id| id.0 != 0)?;
    let bounds = font.outline(id)?.bounds;
    let units = font.units_per_em()?;
    let (low, high) = (bounds.min.y.min(bounds.max.y), bounds.min.y.max(bounds.max.y));
    (bounds.width().abs() > 0.).then_some((low / units, high / units))
}

/// The fonts of one split, by family.
#[derive(Debug)]
pub struct FontBook {
    families: Vec<Vec<Face>>,
    /// Family numbers, common ones several times; and those that write Chinese or Korean.
    deck: Vec<usize>,
    asian: Vec<usize>,
}

/// No usable font was found.
#[derive(Debug, thiserror::Error)]
#[error("no fonts for {split:?} below {folder}: install the packages that `lensmeter train --help` names")]
pub struct NoFonts {
    split: Split,
    folder: String,
}

impl FontBook {
    /// Reads every font below `folder` that belongs to `split`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(folder: &Path, split: Split) -> Result<Self, NoFonts> {
        let mut paths = Vec::new();
        walk(folder, &mut paths);
        paths.sort();
        let mut families: Vec<Vec<Face>> = Vec::new();
        for face in paths.iter().filter(|path| split_of(path) == split).filter_map(|path| Face::read(path)) {
            match families.iter_mut().find(|family| family[0].family == face.family) {
                Some(family) => family.push(face),
                None => families.push(vec![face]),
            }
        }
        if families.is_empty() {
            return Err(NoFonts { split, folder: folder.display().to_string() });
        }
        let weight = |family: &Vec<Face>| if COMMON.iter().any(|c| family[0].family.starts_with(c)) { 4 } else { 1 };
        let is_asian = |family: &Vec<Face>| family.iter().any(|face| face.scripts.han || face.scripts.hangul);
        let of = |i: usize, times: usize| std::iter::repeat_n(i, times);
        let deck = families.iter().enumerate().flat_map(|(i, family)| of(i, weight(family))).collect();
        let asian = families.iter().enumerate().filter(|(_, family)| is_asian(family)).map(|(i, _)| i).collect();
        Ok(Self { families, deck, asian })
    }

    /// How many families and faces there are.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.families.len(), self.families.iter().map(Vec::len).sum())
    }

    /// Any face; one in twelve from a family that writes Chinese, Japanese or Korean.
    pub fn pick(&self, dice: &mut Dice) -> &Face {
        let asian = !self.asian.is_empty() && dice.chance(0.08);
        let family = *dice.pick(if asian { &self.asian } else { &self.deck });
        dice.pick(&self.families[family])
    }
}

fn split_of(path: &Path) -> Split {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    if HELD_OUT.iter().any(|family| name.starts_with(family)) { Split::Eval } else { Split::Train }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        if path.is_dir() {
            walk(&path, found);
        } else if ["ttf", "otf", "ttc"].contains(&extension.as_str()) {
            found.push(path);
        }
    }
}
