//! The home page shows what the shipped model finds in the sample picture: not a drawing, not an older model's answer.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// How many of each class an answer holds, and where, to the nearest ten pixels.
fn summary(found: &Value) -> BTreeMap<String, Vec<[i64; 4]>> {
    let mut classes: BTreeMap<String, Vec<[i64; 4]>> = BTreeMap::new();
    for prediction in found["predictions"].as_array().expect("a list") {
        let side = |name: &str| (prediction["box"][name].as_i64().expect("a number") + 5) / 10;
        let class = prediction["class"].as_str().expect("a name").to_owned();
        classes.entry(class).or_default().push(["xmin", "ymin", "xmax", "ymax"].map(side));
    }
    classes.values_mut().for_each(|boxes| boxes.sort_unstable());
    classes
}

#[test]
fn the_home_page_shows_what_the_shipped_model_finds() {
    let root = env!("CARGO_MANIFEST_DIR");
    let run = Command::new(env!("CARGO_BIN_EXE_lensmeter"))
        .current_dir(root)
        .args(["detect", "static/samples/label.png"])
        .output()
        .expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let found: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let shown = std::fs::read_to_string(format!("{root}/static/samples/label.json")).expect("the file is there");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let (found, shown) = (summary(&found), summary(&shown));
    let advice = "run: lensmeter detect static/samples/label.png > static/samples/label.json";
    for class in ["text_line", "qr_code", "barcode", "data_matrix"] {
        assert!(found.contains_key(class), "the sample holds a {class} and the model does not find it");
        let near = |a: &[i64; 4], b: &[i64; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1);
        let (found, shown) = (&found[class], shown.get(class).cloned().unwrap_or_default());
        assert_eq!(found.len(), shown.len(), "{class}: {advice}");
        assert!(found.iter().all(|own| shown.iter().any(|other| near(own, other))), "{class}: {advice}");
    }
}
