//! The house: an import only goes down. Reads every `crate::` path in `src/` and fails on one that goes up, or sideways
//! between surfaces.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by storey, lowest first. Rooms of one storey do not import each other, but for the pairs in [`BESIDE`].
const STOREYS: &[&[&str]] = &[
    &["platform"],
    &["vision", "webhooks"],
    &["auth", "metering"],
    &["billing"],
    &["accounts", "inference"],
    &["app"],
    &["web"],
    &["api", "portal", "admin", "inbound", "worker", "sandbox"],
    &["server", "lifecycle"],
    &["cli"],
];
const BESIDE: &[(&str, &str)] = &[("lifecycle", "server")];
/// Rooms that know nothing of what lies below them, beyond their own.
const ALONE: &[&str] = &["vision", "sandbox"];

fn storey(room: &str) -> Option<usize> {
    STOREYS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Rooms that a file names: `crate::room::…` anywhere, and each of `crate::{room, other::…}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut begins = true;
        for (index, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                letter if begins && !letter.is_whitespace() => {
                    rooms.insert(word(&group[index..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[test]
fn imports_only_go_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let inside = file.strip_prefix(&src).expect("the file is in src");
        let room = word(&inside.components().next().expect("a file has a name").as_os_str().to_string_lossy());
        let Some(own) = storey(&room) else { continue };
        for other in imports(&fs::read_to_string(&file).expect("sources are text")) {
            let Some(theirs) = storey(&other) else { continue };
            seen += 1;
            let beside = BESIDE.contains(&(room.as_str(), other.as_str()));
            let alone = ALONE.contains(&room.as_str()) && other != room;
            if alone || (other != room && theirs >= own && !beside) {
                wrong.push(format!("{} imports {other}", inside.display()));
            }
        }
    }
    assert!(seen > 50, "the test reads imports: it saw only {seen}");
    assert!(wrong.is_empty(), "imports that go up or sideways:\n{}", wrong.join("\n"));
}

/// True when a path begins with this crate: `fetch::` does not name `tch`.
fn names(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let begins = |at: usize| !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    text.match_indices(&path).any(|(at, _)| begins(at))
}

#[test]
fn only_the_torch_room_names_tch_and_only_surfaces_name_poem() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("the file is in src").display().to_string();
        let text = fs::read_to_string(&file).expect("sources are text");
        let tch = names(&text, "tch") && !inside.starts_with("vision/torch") && !inside.starts_with("vision/train");
        // The floor of the benchmarks is a surface of its own: the same framework without us.
        let may_poem = ["api/", "portal/", "admin/", "inbound/", "sandbox/", "web/", "server.rs", "cli/bench/floor.rs"]
            .iter()
            .any(|room| inside.starts_with(room));
        if tch || (names(&text, "poem") && !may_poem) {
            wrong.push(inside);
        }
    }
    assert!(wrong.is_empty(), "these name tch or poem: {wrong:?}");
}

#[test]
fn a_room_that_the_storeys_do_not_know_is_a_mistake() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&src).expect("src is readable") {
        let name = entry.expect("src is readable").file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(storey(&name).is_some() || ["main", "lib"].contains(&name.as_str()), "{name} has no storey in tests/it/layers.rs");
    }
}

#[test]
fn stripes_words_stay_in_their_folder() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("it is below");
        if inside.starts_with("billing/stripe") || inside == Path::new("billing/provider.rs") || inside == Path::new("billing/mod.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source is readable");
        let words = ["billing::stripe::", "super::stripe::", "stripe_shared::", "stripe_core::", "stripe_billing::", "stripe_checkout::"];
        // The sandbox and the operator's routes have rooms of that name of their own.
        let named = words.iter().filter(|word| text.contains(**word) && !(inside.starts_with("sandbox") && **word == "super::stripe::"));
        wrong.extend(named.map(|word| format!("{}: {word}", inside.display())));
    }
    assert_eq!(wrong, Vec::<String>::new(), "billing/provider.rs has our words for it");
}
