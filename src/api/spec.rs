//! The OpenAPI document of the API: what the types say, and the kinds of body of an image route, which they cannot say.

use serde_json::{Map, Value, json};

use super::{classify, detect, embed, jobs, keys, metered};
use crate::vision::Task;
use crate::web::json::spec;

/// The routes that take an image.
pub(super) const IMAGE_ROUTES: [(&str, Task); 3] =
    [(detect::ROUTE, Task::Detect), (classify::ROUTE, Task::Classify), (embed::ROUTE, Task::Embed)];

const DESCRIPTION: &str = "Finds text lines, codes and checkboxes in images, and runs the models that the operator adds, metered per call.\n\n\
    Every request carries an API key. Money is written as decimal texts beside a currency. Fields are never null: what is \
    not known is left out. Every error is a problem document (RFC 9457), and none is charged. Every answer carries \
    `X-Request-Id`.";

const GROUPS: [&str; 7] = ["Inference", "Jobs", "Models", "Usage", "Keys", "Account", "Invoices"];

/// The document, for an installation at `public_url`.
pub fn document(public_url: &str) -> Value {
    let mut document = spec::finish(&super::service().spec(), public_url, DESCRIPTION, statuses_of);
    for (route, task) in IMAGE_ROUTES {
        let operation = &mut document["paths"][route]["post"];
        add_image_bodies(operation, &options(task));
        add_preference(operation);
    }
    add_image_bodies(&mut document["paths"][jobs::ROUTE]["post"], &job_options());
    metered::describe(&mut document);
    keys::describe(&mut document);
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
    if path == jobs::ROUTE && method == "post" {
        statuses.extend([402, 404, 409, 429]);
    }
    if IMAGE_ROUTES.iter().any(|(route, _)| *route == path) {
        statuses.extend([402, 404, 409, 429, 504]);
    }
    if path.starts_with("/v1/keys") && matches!(method, "post" | "patch") {
        statuses.extend([400, 409, 413, 415]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// The options of a task as JSON schemas. Both of `classes` are right; see `Fields::list`.
fn options(task: Task) -> Value {
    let model =
        json!({ "type": "string", "description": "Which model, as `GET /v1/models` names it. Without it: the default of the task." });
    let min_confidence = json!({ "type": "number", "minimum": 0, "maximum": 1, "description": "Leave out what is less certain." });
    let max_results = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "description": "At most so many results." });
    match task {
        Task::Detect => json!({
            "model": model,
            "min_confidence": min_confidence,
            "max_results": max_results,
            "iou": { "type": "number", "minimum": 0, "maximum": 1, "description": "Boxes of a class that overlap by more are one." },
            "classes": {
                "type": "array", "items": { "type": "string" }, "minItems": 1,
                "description": "Only these classes of the model. In a form or the query: separated by commas.",
            },
        }),
        Task::Classify => json!({ "model": model, "min_confidence": min_confidence, "max_results": max_results }),
        Task::Embed => json!({
            "model": model,
            "encoding_format": {
                "type": "string", "enum": ["float", "base64"], "default": "float",
                "description": "`base64`: the vector as 32-bit floats, the lowest byte first, in base64.",
            },
        }),
    }
}

/// A job has the options of its task.
fn job_options() -> Value {
    let task = json!({ "type": "string", "enum": ["detect", "classify", "embed"], "default": "detect", "description": "What to do." });
    let all = IMAGE_ROUTES.iter().flat_map(|(_, task)| options(*task).as_object().cloned().unwrap_or_default());
    Value::Object([("task".to_owned(), task)].into_iter().chain(all).collect())
}

/// The answer of a call that became a job.
fn add_preference(operation: &mut Value) {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    operation["responses"]["202"] = json!({
        "description": "The job that the call became, because it said `Prefer: respond-async`.",
        "headers": {
            "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" },
            "Location": text("Where the job is."),
            "Preference-Applied": text("`respond-async`"),
        },
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Job" } } },
    });
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(json!({
            "name": "Prefer", "in": "header", "required": false,
            "description": "`respond-async`: submit a job instead of waiting for the answer.",
            "schema": { "type": "string" },
        }));
    }
}

/// The ways to send an image, and the options beside it.
fn add_image_bodies(operation: &mut Value, options: &Value) {
    let with = |name: &str, options: &Value, schema: Value| {
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
            "type": { "type": "string", "enum": ["base64", "url"], "description": "What `value` is." },
            "value": { "type": "string", "description": "The image in base64, a data URL is fine too; or the https URL it is fetched from." },
        },
    });
    let mut content = Map::new();
    content.insert("multipart/form-data".into(), with("image", &as_text(options), binary.clone()));
    content.insert("application/json".into(), with("image", options, encoded));
    for kind in ["jpeg", "png", "webp", "gif", "bmp", "tiff"] {
        content.insert(format!("image/{kind}"), json!({ "schema": binary }));
    }
    operation["requestBody"] = json!({ "required": true, "description": "The image.", "content": content });
    operation["parameters"] = parameters(options).into();
}

/// Forms say a list in one text.
fn as_text(options: &Value) -> Value {
    let mut texts = options.clone();
    if let Some(classes) = texts.get_mut("classes") {
        *classes = json!({ "type": "string", "description": classes["description"] });
    }
    texts
}

fn parameters(options: &Value) -> Vec<Value> {
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema });
        if schema["type"] == "array" {
            parameter["style"] = "form".into();
            parameter["explode"] = false.into();
        }
        parameter
    };
    let mut parameters: Vec<Value> = options.as_object().into_iter().flatten().map(parameter).collect();
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema });
    parameters.push(header(
        "Idempotency-Key",
        "Makes a retry safe: the same key and request get the stored answer, free of charge, for 24 hours.",
        json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
    ));
    parameters.push(header(
        "Cache-Control",
        "`no-cache`: the model runs even when it has answered an equal call of the account before.",
        json!({ "type": "string" }),
    ));
    parameters
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
        assert!(["detect", "classify", "embed"].iter().all(|id| ids.contains(*id)));
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
