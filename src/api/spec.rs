//! The OpenAPI document of the API: what the types say, and the kinds of body of an image route, which they cannot say.

use serde_json::{Map, Value, json};

use super::detect::ROUTE as DETECT;
use crate::web::json::spec;

const DESCRIPTION: &str = "Finds text lines, QR codes and barcodes in images, metered per call.\n\n\
    Every request carries an API key. Money is written as decimal texts beside a currency. Fields are never null: what is \
    not known is left out. Every error is a problem document (RFC 9457), and none is charged. Every answer carries \
    `X-Request-Id`.";

const GROUPS: [&str; 6] = ["Inference", "Models", "Usage", "Keys", "Account", "Invoices"];

/// The document, for an installation at `public_url`.
pub fn document(public_url: &str) -> Value {
    let mut document = spec::finish(&super::service().spec(), public_url, DESCRIPTION, statuses_of);
    add_image_bodies(&mut document["paths"][DETECT]["post"]);
    // In the order in which people need them; the types give that of the alphabet.
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.sort_by_key(|tag| GROUPS.iter().position(|group| tag["name"] == *group));
    }
    document
}

fn statuses_of(path: &str, method: &str) -> Vec<u16> {
    let mut statuses = vec![401, 403, 422, 500, 503];
    if method == "post" {
        statuses.extend([400, 413, 415]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if path == DETECT {
        statuses.extend([402, 404, 409, 429, 504]);
    }
    if path == "/v1/keys" && method == "post" {
        statuses.push(409);
    }
    statuses.sort_unstable();
    statuses
}

/// The three ways to send an image, and the options beside it.
fn add_image_bodies(operation: &mut Value) {
    let options = json!({
        "model": { "type": "string", "description": "Which model. Without it: the default of the task." },
        "min_confidence": { "type": "number", "minimum": 0, "maximum": 1, "description": "Leave out what is less certain." },
        "max_results": { "type": "integer", "minimum": 1, "maximum": 1000, "description": "At most so many boxes." },
        "iou": { "type": "number", "minimum": 0, "maximum": 1, "description": "Boxes of a class that overlap by more are one." },
    });
    let with = |name: &str, schema: Value| {
        let mut properties = options.clone();
        properties[name] = schema;
        json!({ "schema": { "type": "object", "required": [name], "properties": properties, "additionalProperties": false } })
    };
    let binary = json!({ "type": "string", "format": "binary", "description": "The bytes of an image file, at most 20 MB." });
    let encoded = json!({
        "type": "object",
        "required": ["type", "value"],
        "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "enum": ["base64", "url"], "description": "`url` is not enabled yet." },
            "value": { "type": "string", "description": "The image in base64; a data URL is fine too." },
        },
    });
    let mut content = Map::new();
    content.insert("multipart/form-data".into(), with("image", binary.clone()));
    content.insert("application/json".into(), with("image", encoded));
    for kind in ["jpeg", "png", "webp", "gif", "bmp", "tiff"] {
        content.insert(format!("image/{kind}"), json!({ "schema": binary }));
    }
    operation["requestBody"] = json!({ "required": true, "description": "The image.", "content": content });
    let mut parameters: Vec<Value> = options
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
        })
        .collect();
    parameters.push(json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "Makes a retry safe: the same key and request get the stored answer, free of charge, for 24 hours.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
    }));
    operation["parameters"] = parameters.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let flat = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path.clone(), method.clone(), operation.clone()))
        });
        flat.collect()
    }

    #[test]
    fn every_operation_is_named_grouped_secured_and_told_apart() {
        let document = document("https://api.example.com");
        let mut ids = std::collections::HashSet::new();
        for (path, method, operation) in operations(&document) {
            assert!(path.starts_with("/v1/"), "{path}");
            assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{method} {path}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
            assert_eq!(operation["security"], json!([{ "bearer": [] }, { "api_key": [] }]), "{method} {path}");
            assert!(operation["summary"].is_string() && operation["description"].is_string(), "{method} {path}");
        }
        assert!(ids.contains("detect"));
    }

    #[test]
    fn nothing_of_the_framework_shows() {
        let text = document("https://api.example.com").to_string();
        assert!(!text.contains("charset"));
        assert!(text.contains("\"Server-Timing\"") && !text.contains("SERVER-TIMING"));
        assert!(text.starts_with("{") && text.contains("\"3.0.3\""));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document("https://api.example.com");
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
