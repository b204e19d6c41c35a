//! Style sheets, scripts and pictures, embedded in the program and served under names that carry their hash:
//! `/a/<name>.<sha8>.<ext>` never changes, so browsers keep it for good.

use poem::http::{Method, StatusCode, header};
use poem::{Request, Response, handler};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

const FOREVER: &str = "public, max-age=31536000, immutable";

/// The address of an asset, for templates: `asset("app.css")`. An unknown name keeps its plain address, and answers 404.
pub fn asset(name: &str) -> String {
    match (Static::get(name), name.rsplit_once('.')) {
        (Some(file), Some((stem, extension))) => format!("/a/{stem}.{}.{extension}", short_hash(&file)),
        _ => format!("/a/{name}"),
    }
}

/// The bytes of an asset, where the program itself needs them (the sample picture of the playground).
pub fn bytes(name: &str) -> Option<Vec<u8>> {
    Static::get(name).map(|file| file.data.into_owned())
}

fn short_hash(file: &EmbeddedFile) -> String {
    hex::encode(&file.metadata.sha256_hash()[..4])
}

/// `label.0a1b2c3d.png` → (`label.png`, `0a1b2c3d`).
fn split(hashed: &str) -> Option<(String, &str)> {
    let (rest, extension) = hashed.rsplit_once('.')?;
    let (stem, hash) = rest.rsplit_once('.')?;
    Some((format!("{stem}.{extension}"), hash))
}

/// Answers GET and HEAD under `/a/`. Another release's hash gets this release's file, not to be kept: while replicas are
/// being replaced, a page of the old one may ask the new one.
#[handler]
pub fn serve(request: &Request) -> Response {
    let path = request.original_uri().path();
    let Some((name, hash)) = path.strip_prefix("/a/").and_then(split) else { return StatusCode::NOT_FOUND.into() };
    let Some(file) = Static::get(&name) else { return StatusCode::NOT_FOUND.into() };
    let caching = if short_hash(&file) == hash { FOREVER } else { "no-cache" };
    answer(request, &file, &name, caching)
}

fn answer(request: &Request, file: &EmbeddedFile, name: &str, caching: &str) -> Response {
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let response = Response::builder().header(header::CACHE_CONTROL, caching).header(header::ETAG, &tag);
    if request.header(header::IF_NONE_MATCH).is_some_and(|known| known.contains(&tag)) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    let response = response.header(header::CONTENT_TYPE, content_type(name));
    if *request.method() == Method::HEAD {
        return response.header(header::CONTENT_LENGTH, file.data.len()).finish();
    }
    response.body(file.data.to_vec())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_asset() {
        let address = asset("app.css");
        let (name, hash) = split(address.strip_prefix("/a/").unwrap()).unwrap();
        assert_eq!(name, "app.css");
        assert_eq!(hash, short_hash(&Static::get("app.css").unwrap()));
    }

    #[test]
    fn a_name_inside_a_folder_keeps_its_folder() {
        assert_eq!(split("samples/label.0a1b2c3d.png"), Some(("samples/label.png".to_owned(), "0a1b2c3d")));
        assert_eq!(split("label"), None);
    }
}
