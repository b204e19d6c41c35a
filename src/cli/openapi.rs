//! `lensmeter openapi`: prints the OpenAPI document. `docs/openapi.json` is what it prints.

use crate::api;
use crate::web::json::spec;

/// The server that the printed document names; the one that is served names its own.
const SERVER: &str = "http://127.0.0.1:8080";

/// The document as it is committed.
pub fn document() -> String {
    spec::text(&api::document(SERVER))
}

pub fn run() -> anyhow::Result<()> {
    print!("{}", document());
    Ok(())
}
