//! Form decoding as Stripe does it: `a[b][0][c]=x` becomes nested objects and lists, every leaf a string.

use serde_json::{Map, Value};

/// Decodes a query or a form body.
pub fn decode(text: &str) -> Result<Value, String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text).map_err(|error| error.to_string())?;
    let mut root = Value::Object(Map::new());
    for (key, value) in pairs {
        let path = split(&key).ok_or_else(|| format!("Invalid parameter name: {key}"))?;
        insert(&mut root, &path, value);
    }
    listify(&mut root);
    Ok(root)
}

/// `a[b][0]` → `["a", "b", "0"]`; an empty pair of brackets gives an empty segment.
fn split(key: &str) -> Option<Vec<&str>> {
    let Some((head, mut rest)) = key.find('[').map(|at| key.split_at(at)) else { return Some(vec![key]) };
    let mut path = vec![head];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[')?;
        let (segment, after) = inner.split_once(']')?;
        path.push(segment);
        rest = after;
    }
    (path.len() <= 12).then_some(path)
}

fn insert(node: &mut Value, path: &[&str], leaf: String) {
    if !node.is_object() {
        *node = Value::Object(Map::new());
    }
    let Value::Object(map) = node else { return };
    let Some((segment, rest)) = path.split_first() else { return };
    let key = if segment.is_empty() { next_index(map, rest) } else { (*segment).to_owned() };
    if rest.is_empty() {
        map.insert(key, Value::String(leaf));
    } else {
        insert(map.entry(key).or_insert(Value::Null), rest, leaf);
    }
}

/// `[]` appends; `[][name]` fills the last entry until a name comes again.
fn next_index(map: &Map<String, Value>, rest: &[&str]) -> String {
    let last = map.len().checked_sub(1);
    match (last, rest.first()) {
        (Some(last), Some(name)) if map.get(&last.to_string()).is_some_and(|entry| entry.get(*name).is_none()) => last.to_string(),
        _ => map.len().to_string(),
    }
}

/// Objects whose keys are all numbers are lists, except metadata, whose keys are the caller's own words.
fn listify(node: &mut Value) {
    let Value::Object(map) = node else { return };
    for (key, child) in map.iter_mut() {
        if key != "metadata" {
            listify(child);
        }
    }
    let mut numbered: Vec<(u64, Value)> = Vec::new();
    for (key, child) in map.iter() {
        let Ok(index) = key.parse() else { return };
        numbered.push((index, child.clone()));
    }
    if !numbered.is_empty() {
        numbered.sort_by_key(|(index, _)| *index);
        *node = Value::Array(numbered.into_iter().map(|(_, child)| child).collect());
    }
}
