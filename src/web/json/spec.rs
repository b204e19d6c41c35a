//! Finishes an OpenAPI document: what poem-openapi cannot say (the shared problems) and what it says in a way that
//! validators and generators stumble over. Pure: the same types give the same bytes.

use poem_openapi::registry::Registry;
use poem_openapi::types::Type as _;
use serde_json::{Map, Value, json};

use super::problem::{self, Code};

/// Makes of what poem-openapi wrote a document for an installation at `public_url`. `statuses` names the errors that an
/// operation may answer with, by its path and method.
///
/// # Panics
/// When `raw` is not the JSON of a document, which poem-openapi would have to be broken for.
pub fn finish(raw: &str, public_url: &str, description: &str, statuses: fn(&str, &str) -> Vec<u16>) -> Value {
    let mut document: Value = serde_json::from_str(&named(raw)).expect("poem-openapi writes JSON");
    document["openapi"] = "3.0.3".into();
    document["info"]["description"] = description.into();
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/Apache-2.0.html" });
    document["servers"] = json!([{ "url": public_url }]);
    if let Some(whole) = document.as_object_mut() {
        // A field of 3.1.
        whole.remove("webhooks");
    }
    plain(&mut document);
    add_problems(&mut document, statuses);
    document
}

/// The document as it is committed and served: indented, with a newline at its end.
pub fn text(document: &Value) -> String {
    // A `Value` has only string keys: nothing in it cannot be written.
    serde_json::to_string_pretty(document).expect("a value is JSON") + "\n"
}

/// `List_Invoice`, as poem-openapi calls a list of invoices, is `InvoiceList`.
fn named(raw: &str) -> String {
    let mut parts = raw.split("List_");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let end = part.find('"').unwrap_or(part.len());
        done + &part[..end] + "List" + &part[end..]
    })
}

/// Media types without a charset, headers in their usual case, `date` by its name.
fn plain(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "content" => rename(member, |media| media.replace("; charset=utf-8", "")),
                    "headers" => rename(member, header_case),
                    "format" if member == "naive-date" => *member = "date".into(),
                    "description" if member == "" => *member = "The answer.".into(),
                    _ => {}
                }
                plain(member);
            }
            if let Some(Value::Array(parts)) = members.get_mut("allOf") {
                // poem-openapi repeats description and default as a second schema, which generators take for a second type
                // and cannot merge with an enum: the whole object is then missing from the client.
                let says_something = |key: &String| key != "description" && key != "default";
                parts.retain(|part| part.as_object().is_none_or(|part| part.keys().any(says_something)));
            }
        }
        _ => {}
    }
}

fn rename(members: &mut Value, name: impl Fn(&str) -> String) {
    if let Value::Object(members) = members {
        *members = std::mem::take(members).into_iter().map(|(key, value)| (name(&key), value)).collect();
    }
}

/// poem-openapi writes `SERVER-TIMING`.
fn header_case(name: &str) -> String {
    let part = |part: &str| match part.split_at_checked(1) {
        Some((first, rest)) => first.to_uppercase() + &rest.to_lowercase(),
        None => part.to_owned(),
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// Describes every problem once, and points at it from the operations that may answer with it.
fn add_problems(document: &mut Value, statuses: fn(&str, &str) -> Vec<u16>) {
    let mut registry = Registry::new();
    problem::Document::register(&mut registry);
    for (name, schema) in &registry.schemas {
        // Schemas are plain data.
        document["components"]["schemas"][name] = serde_json::to_value(schema).expect("a schema is JSON");
    }
    let request_id = json!({ "description": "Tell support this id.", "schema": { "type": "string" } });
    document["components"]["headers"]["X-Request-Id"] = request_id;
    let mut used = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            for status in statuses(path, method) {
                operation["responses"][status.to_string()] = json!({ "$ref": format!("#/components/responses/Problem{status}") });
                used.insert(status);
            }
            for (_, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
                if answer.get("$ref").is_none() {
                    answer["headers"]["X-Request-Id"] = json!({ "$ref": "#/components/headers/X-Request-Id" });
                }
            }
        }
    }
    for status in used {
        document["components"]["responses"][format!("Problem{status}")] = response(status);
    }
}

/// The shared answer with this status.
fn response(status: u16) -> Value {
    let about = Code::ALL.iter().map(|code| code.about()).filter(|about| about.status.as_u16() == status);
    let codes = about.map(|about| format!("`{}`: {}", about.code, about.title)).collect::<Vec<_>>().join(" ");
    let mut headers = Map::new();
    headers.insert("X-Request-Id".into(), json!({ "$ref": "#/components/headers/X-Request-Id" }));
    if matches!(status, 429 | 503) {
        headers.insert("Retry-After".into(), json!({ "description": "Seconds to wait.", "schema": { "type": "integer" } }));
    }
    json!({
        "description": codes,
        "headers": headers,
        "content": { problem::CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_framework_writes_oddly_is_put_right() {
        let raw = json!({
            "openapi": "3.0.0", "webhooks": {}, "info": {},
            "paths": { "/a": { "get": { "responses": { "200": {
                "description": "", "headers": { "SERVER-TIMING": {} }, "content": { "application/json; charset=utf-8": {} },
            } } } } },
            "components": { "schemas": { "List_Invoice": {} } },
        });
        let done = finish(&raw.to_string(), "https://x", "words", |_, _| vec![503]);
        assert_eq!(done["openapi"], "3.0.3");
        let answer = &done["paths"]["/a"]["get"]["responses"]["200"];
        assert!(answer["content"]["application/json"].is_object() && answer["headers"]["Server-Timing"].is_object());
        assert!(done["components"]["responses"]["Problem503"]["headers"]["Retry-After"].is_object());
        assert!(done.get("webhooks").is_none());
        assert!(done["components"]["schemas"]["InvoiceList"].is_object());
    }
}
