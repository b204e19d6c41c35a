//! The OpenAPI document as a page wants it: operations by group, fields as rows.

use serde_json::Value;

/// Everything of the reference.
pub struct Reference {
    pub groups: Vec<Group>,
    pub schemas: Vec<Schema>,
}

/// Operations of one tag.
pub struct Group {
    pub name: String,
    pub description: String,
    pub operations: Vec<Operation>,
}

/// One method of one path.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub description: String,
    pub parameters: Vec<Field>,
    /// Kinds of body, each with its media type and fields.
    pub bodies: Vec<(String, Vec<Field>)>,
    pub answers: Vec<Answer>,
    pub curl: String,
}

/// One possible answer.
pub struct Answer {
    pub status: String,
    pub description: String,
    /// The schema of its body, when it has a name.
    pub schema: String,
}

/// An object of the API.
pub struct Schema {
    pub name: String,
    pub description: String,
    pub fields: Vec<Field>,
}

/// A parameter or a member of an object.
pub struct Field {
    pub name: String,
    /// Where a parameter goes; empty for members.
    pub place: String,
    pub kind: String,
    /// The schema that the kind names; empty for plain kinds.
    pub link: String,
    pub required: bool,
    pub description: String,
}

impl Reference {
    /// Reads a finished document.
    pub fn of(document: &Value) -> Self {
        let groups = items(&document["tags"]).map(|tag| Group {
            name: text(&tag["name"]),
            description: text(&tag["description"]),
            operations: operations(document, &tag["name"]),
        });
        let schemas = members(&document["components"]["schemas"]).map(|(name, schema)| Schema {
            name: name.clone(),
            description: text(&schema["description"]),
            fields: fields(schema),
        });
        // Enums of a single word say nothing beside the field that has them.
        let schemas = schemas.filter(|schema| !schema.fields.is_empty()).collect();
        Self { groups: groups.filter(|group| !group.operations.is_empty()).collect(), schemas }
    }
}

fn operations(document: &Value, tag: &Value) -> Vec<Operation> {
    let base = text(&document["servers"][0]["url"]);
    let all = members(&document["paths"]).flat_map(|(path, item)| members(item).map(move |(method, operation)| (path, method, operation)));
    let ours = all.filter(|(_, _, operation)| operation["tags"][0] == *tag);
    ours.map(|(path, method, operation)| Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.clone(),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        parameters: items(&operation["parameters"]).map(parameter).collect(),
        bodies: members(&operation["requestBody"]["content"])
            .map(|(media, body)| (media.clone(), body_fields(document, &body["schema"])))
            .collect(),
        answers: members(&operation["responses"]).map(|(status, answer)| response(document, status, answer)).collect(),
        curl: curl(&base, path, method, operation),
    })
    .collect()
}

fn parameter(parameter: &Value) -> Field {
    let (kind, link) = kind(&parameter["schema"]);
    Field {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind,
        link,
        required: parameter["required"] == true,
        description: text(&parameter["description"]),
    }
}

fn body_fields(document: &Value, schema: &Value) -> Vec<Field> {
    fields(resolved(document, schema))
}

fn response(document: &Value, status: &str, answer: &Value) -> Answer {
    let answer = resolved(document, answer);
    let schema = members(&answer["content"]).next().map(|(_, body)| kind(&body["schema"]).1).unwrap_or_default();
    Answer { status: status.to_owned(), description: text(&answer["description"]), schema }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| document.pointer(reference.trim_start_matches('#')));
    reference.unwrap_or(value)
}

fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = items(&schema["required"]).filter_map(Value::as_str).collect();
    let member = |(name, member): (&String, &Value)| {
        let (kind, link) = kind(member);
        // A description beside a reference comes wrapped in `allOf`.
        let description = text(&member["description"]);
        Field { required: required.contains(&name.as_str()), name: name.clone(), place: String::new(), kind, link, description }
    };
    members(&schema["properties"]).map(member).collect()
}

/// The kind of a value in words, and the schema it names.
fn kind(schema: &Value) -> (String, String) {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return (name.to_owned(), name.to_owned());
    }
    if let Some(first) = items(&schema["allOf"]).next() {
        return kind(first);
    }
    if schema["type"] == "array" {
        let (of, link) = kind(&schema["items"]);
        return (format!("list of {of}"), link);
    }
    let choices: Vec<String> = items(&schema["enum"]).map(text).collect();
    if !choices.is_empty() {
        return (choices.join(" | "), String::new());
    }
    let format = text(&schema["format"]);
    (if matches!(format.as_str(), "date-time" | "date" | "binary") { format } else { text(&schema["type"]) }, String::new())
}

/// A call that can be pasted into a shell with `LENSMETER_KEY` set.
fn curl(base: &str, path: &str, method: &str, operation: &Value) -> String {
    let path = path.replace(['{', '}'], "");
    let mut lines = vec![match method {
        "get" => format!("curl {base}{path}"),
        _ => format!("curl -X {} {base}{path}", method.to_uppercase()),
    }];
    lines.push("  -H \"Authorization: Bearer $LENSMETER_KEY\"".to_owned());
    let content = &operation["requestBody"]["content"];
    if content.get("multipart/form-data").is_some() {
        lines.push("  -F image=@photo.jpg".to_owned());
    } else if content.get("application/json").is_some() {
        lines.push(format!("  --json '{}'", if path.ends_with("/keys") { r#"{"name":"server"}"# } else { "{}" }));
    }
    lines.join(" \\\n")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_shows_every_operation() {
        let document = crate::api::document("https://api.example.com");
        let shown = Reference::of(&document).groups.iter().map(|group| group.operations.len()).sum::<usize>();
        let known = members(&document["paths"]).map(|(_, item)| members(item).count()).sum::<usize>();
        assert_eq!(shown, known);
    }
}
