//! Reads and checks one `model.toml`. Every problem of the file is told, not only the first.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Architecture, BoxFormat, Defaults, ModelInfo, OpenError, Precision, Task, name_of, output,
    section::{Problems, Section},
};
use crate::vision::{
    batcher::QueueLimits,
    preprocess::{Input, Interpolation, Resize},
};

/// Pixels of a side that a network may take, so that a slip in a file does not ask for a terabyte.
const MOST_PIXELS: usize = 8192;

/// Reads one model.toml; the weights are not opened.
///
/// # Errors
/// When it cannot be read or anything in it is wrong.
pub fn read(path: &Path) -> Result<ModelInfo, OpenError> {
    let problems = Problems::default();
    let model = parse(path, &problems);
    let problems = problems.into_list();
    match model {
        Some(model) if problems.is_empty() => Ok(model),
        _ => Err(OpenError::Manifest { path: path.to_owned(), problems }),
    }
}

fn parse(path: &Path, problems: &Problems) -> Option<ModelInfo> {
    let text = fs::read_to_string(path).map_err(|e| problems.note(e)).ok()?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| problems.note(e.to_string().trim())).ok()?;
    let mut file = Section::file(table, problems);
    let folder = path.parent().unwrap_or(Path::new("."));
    let task = file.required("task");
    let architecture = architecture(&mut file);
    let weights = file.required("weights").and_then(|name: PathBuf| beside(&file, folder, "weights", &name));
    let classes = classes(&mut file, folder, task);
    let description = file.required("description");
    let license = file.optional("license");
    let precision = file.optional("precision");
    let input = input(file.section("input"), architecture);
    let output = output_of(&mut file, task, architecture);
    let defaults = defaults(file.section("defaults"));
    let limits = limits(file.section("limits"));
    let mut price = file.section("price");
    let price_hint = price.optional("hint");
    price.end();
    if let Some((task, architecture)) = task.zip(architecture) {
        file.check(fits(task, architecture), "task", &format!("\"{task}\" is not what architecture \"{architecture}\" does"));
    }
    file.end();
    Some(ModelInfo {
        name: folder.parent().map(name_of).unwrap_or_default(),
        version: name_of(folder),
        task: task?,
        architecture: architecture?,
        classes: classes?,
        description: description?,
        license,
        price_hint,
        precision,
        input: input?,
        output,
        defaults,
        limits,
        weights: weights?,
    })
}

fn fits(task: Task, architecture: Architecture) -> bool {
    match architecture {
        Architecture::Elements => task == Task::Detect,
        Architecture::Torchvision(_) => task != Task::Detect,
        Architecture::TorchScript => true,
    }
}

fn architecture(file: &mut Section<'_>) -> Option<Architecture> {
    let name: String = file.required("architecture")?;
    let known = Architecture::named(&name);
    if known.is_none() {
        let names = [&["elements", "torchscript"], &super::TORCHVISION[..]].concat().join(", ");
        file.wrong("architecture", format_args!("{name:?} is not known; there are: {names}"));
    }
    known
}

/// A file in the model's folder: no way leads out of it.
fn beside(file: &Section<'_>, folder: &Path, key: &str, name: &Path) -> Option<PathBuf> {
    let inside = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    file.check(inside && name.file_name().is_some(), key, "must name a file in the model's own folder");
    inside.then(|| folder.join(name))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of names, or the name of a file with one name a line")]
enum Classes {
    Inline(Vec<String>),
    File(PathBuf),
}

fn classes(file: &mut Section<'_>, folder: &Path, task: Option<Task>) -> Option<Vec<String>> {
    if task == Some(Task::Embed) && !file.has("classes") {
        return Some(Vec::new());
    }
    let names = match file.required("classes")? {
        Classes::Inline(names) => names,
        Classes::File(name) => {
            let path = beside(file, folder, "classes", &name)?;
            let text = fs::read_to_string(&path).map_err(|e| file.wrong("classes", format_args!("{}: {e}", path.display()))).ok()?;
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        }
    };
    file.check(task != Some(Task::Embed) || names.is_empty(), "classes", "a model that embeds has none");
    file.check(task == Some(Task::Embed) || !names.is_empty(), "classes", "must name at least one");
    file.check(names.iter().all(|name| !name.trim().is_empty()), "classes", "a name is empty");
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        file.wrong("classes", format_args!("{:?} is there twice", twice[0]));
    }
    Some(names)
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Way {
    Fit,
    Crop,
    Letterbox,
    Stretch,
}

fn input(mut section: Section<'_>, architecture: Option<Architecture>) -> Option<Input> {
    let elements = architecture == Some(Architecture::Elements);
    let way = if elements { section.optional("resize").or(Some(Way::Fit)) } else { section.required("resize") };
    let resize = way.and_then(|way| resize(&mut section, way, elements));
    // The built-in detector was trained on plain shares of 255; for any other network a guess would be silently wrong.
    let three = |section: &mut Section<'_>, key, own: [f32; 3]| if elements { Some(own) } else { section.required(key) };
    let (mean, std) = (three(&mut section, "mean", [0.; 3]), three(&mut section, "std", [1.; 3]));
    let finite = |values: Option<[f32; 3]>| values.is_none_or(|values| values.iter().all(|value| value.is_finite()));
    section.check(finite(mean), "mean", "must be three finite numbers");
    section.check(finite(std) && std.is_none_or(|std| std.iter().all(|&value| value > 0.)), "std", "must be three numbers above 0");
    let interpolation = section.optional("interpolation").unwrap_or(Interpolation::Bilinear);
    let own_padding = if matches!(resize, Some(Resize::Letterbox { .. })) { 114 } else { 127 };
    let padding = section.optional("padding").unwrap_or(own_padding);
    section.check(!elements || resize.is_none_or(|r| matches!(r, Resize::Fit { .. })), "resize", "\"elements\" takes \"fit\" only");
    if let (Some(Architecture::Torchvision(name)), Some(Resize::Fit { .. })) = (architecture, resize) {
        section.wrong("resize", format_args!("\"fit\" gives pictures of many sizes; {name} takes crop, letterbox or stretch"));
    }
    section.end();
    Some(Input { resize: resize?, mean: mean?, std: std?, interpolation, padding })
}

fn resize(section: &mut Section<'_>, way: Way, elements: bool) -> Option<Resize> {
    let side_in = |section: &Section<'_>, key: &str, side: usize| {
        section.check((8..=MOST_PIXELS).contains(&side), key, "must be 8 to 8192 pixels");
    };
    if way == Way::Fit {
        let max_side = if elements { section.optional("max_side").or(Some(1280)) } else { section.required("max_side") };
        let multiple = if elements { Some(64) } else { section.required("multiple") };
        let (max_side, multiple) = (max_side?, multiple?);
        side_in(section, "max_side", max_side);
        section.check((1..=max_side.max(1)).contains(&multiple), "multiple", "must be at least 1 and at most max_side");
        return Some(Resize::Fit { max_side, multiple });
    }
    let side = section.required("side")?;
    side_in(section, "side", side);
    Some(match way {
        Way::Crop => {
            let shorter = section.required("shorter")?;
            section.check((side..=MOST_PIXELS).contains(&shorter), "shorter", "must be at least side and at most 8192 pixels");
            Resize::Crop { shorter, side }
        }
        Way::Letterbox => Resize::Letterbox { side },
        Way::Fit | Way::Stretch => Resize::Stretch { side },
    })
}

fn output_of(file: &mut Section<'_>, task: Option<Task>, architecture: Option<Architecture>) -> Option<BoxFormat> {
    let wanted = task == Some(Task::Detect) && architecture == Some(Architecture::TorchScript);
    if wanted && !file.has("output") {
        file.wrong("output", "is missing: a detector of TorchScript must say how its boxes are read");
    } else if wanted {
        return output::read(file.section("output"));
    } else if file.has("output") && task.is_some() && architecture.is_some() {
        let _: Option<toml::Table> = file.optional("output");
        file.wrong("output", "is for detectors of TorchScript only");
    }
    None
}

fn defaults(mut section: Section<'_>) -> Defaults {
    let own = Defaults::default();
    let min_confidence = section.optional("min_confidence").unwrap_or(own.min_confidence);
    let iou = section.optional("iou").unwrap_or(own.iou);
    let max_results = section.optional("max_results").unwrap_or(own.max_results);
    section.check((0. ..=1.).contains(&min_confidence), "min_confidence", "must lie between 0 and 1");
    section.check((0. ..=1.).contains(&iou), "iou", "must lie between 0 and 1");
    section.check(max_results > 0, "max_results", "must be at least 1");
    section.end();
    Defaults { min_confidence, iou, max_results }
}

fn limits(mut section: Section<'_>) -> QueueLimits {
    let (batch, queue) = (section.optional("batch").unwrap_or(8), section.optional("queue").unwrap_or(32));
    section.check((1..=1024).contains(&batch), "batch", "must be 1 to 1024");
    section.check((1..=1_000_000).contains(&queue), "queue", "must be 1 to 1000000");
    section.end();
    QueueLimits { batch, queue }
}

impl<'de> Deserialize<'de> for Precision {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is none of auto, float32, bfloat16")))
    }
}
