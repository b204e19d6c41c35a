//! The committed OpenAPI document is the one that the program serves.

#[test]
fn the_committed_document_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == lensmeter::cli::openapi::document(),
        "docs/openapi.json is out of date: run `cargo run -- openapi > docs/openapi.json` and look at the difference"
    );
}
