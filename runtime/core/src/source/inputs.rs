//! Inputs, forms and outputs: the short form, `name: string`, or JSON Schema beside each name.

use serde_json::{Map, Value, json};

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Entry, Kind, Node};
use crate::definition::Schema;
use crate::diagnostic::{Code, among};
use crate::language::{INPUT, KEYWORDS, TYPES};

/// The schema of an object whose properties are declared one by one. Nothing undeclared is let in.
pub(super) fn object(lower: &mut Lower, node: &Node, what: &str) -> Schema {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for entry in lower.any_map(node, what).unwrap_or_default() {
        if entry.key.starts_with("x-") || !lower.name(&entry.key, &entry.key_span, "an input or a field", "")
        {
            continue;
        }
        let (schema, optional) = property(lower, entry);
        if !optional {
            required.push(entry.key.clone());
        }
        properties.insert(entry.key.clone(), schema);
    }
    let json = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    compile(lower, json, node).unwrap_or_else(empty)
}

/// A human step's form: the short form, or a whole schema with `type: object` and `properties`.
pub(super) fn form(lower: &mut Lower, node: &Node) -> Schema {
    let whole = node.get("type").and_then(Node::as_text) == Some("object")
        && node.get("properties").is_some_and(|properties| properties.as_map().is_some());
    if !whole {
        return object(lower, node, "a form");
    }
    let json = lower.constant(node, "a form");
    compile(lower, json, node).unwrap_or_else(empty)
}

fn property(lower: &mut Lower, entry: &Entry) -> (Value, bool) {
    let what = format!("'{}'", entry.key);
    match &entry.value.kind {
        Kind::Text(name) => (type_schema(lower, name, &entry.value), false),
        Kind::Map(_) => {
            let keys = lower.map_called(&entry.value, &what, &INPUT).unwrap_or(Keys::new(&INPUT, &[]));
            let optional = get(keys, "optional").and_then(|node| lower.flag(node, "optional"));
            let optional = optional.unwrap_or_default();
            let schema = keywords(lower, &entry.value, keys);
            let default = check_default(lower, &schema, keys);
            (schema, optional || default)
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) => {
            let message = format!("{what} must be a type or a map, not {}", entry.value.describe());
            let help = format!("one of {}", TYPES.join(", "));
            lower.report(Code::WrongType, &entry.value.span, message, Some(help));
            (json!({}), false)
        }
    }
}

/// The keywords of a map as a schema of their own; empty when they are none.
pub(super) fn keywords(lower: &mut Lower, node: &Node, keys: Keys<'_>) -> Value {
    let mut schema = Map::new();
    for entry in keys.iter().filter(|entry| KEYWORDS.iter().any(|key| key.name == entry.key)) {
        let value = match (entry.key.as_str(), entry.value.as_text()) {
            ("type", Some(name)) => match type_schema(lower, name, &entry.value).get("type") {
                Some(name) => name.clone(),
                None => continue,
            },
            _ => lower.constant(&entry.value, "a schema"),
        };
        schema.insert(entry.key.clone(), value);
    }
    let schema = Value::Object(schema);
    if compile(lower, schema.clone(), node).is_some() { schema } else { json!({}) }
}

fn type_schema(lower: &mut Lower, name: &str, node: &Node) -> Value {
    if name == "any" {
        return json!({});
    }
    if TYPES.contains(&name) || name == "null" {
        return json!({ "type": name });
    }
    let message = format!("there is no type '{name}'");
    lower.report(Code::InvalidValue, &node.span, message, among(name, "types are", TYPES));
    json!({})
}

/// Whether there is a default; one that its own schema refuses is reported.
fn check_default(lower: &mut Lower, schema: &Value, keys: Keys<'_>) -> bool {
    let Some(default) = get(keys, "default") else { return false };
    let problems = Schema::new(schema.clone()).map(|schema| schema.problems(&default.to_json()));
    if let Some(problem) = problems.ok().and_then(|problems| problems.into_iter().next()) {
        let message = format!("the default is not what the schema allows: {problem}");
        lower.report(Code::InvalidValue, &default.span, message, None);
    }
    true
}

fn compile(lower: &mut Lower, json: Value, node: &Node) -> Option<Schema> {
    match Schema::new(json) {
        Ok(schema) => Some(schema),
        Err(error) => {
            lower.report(Code::InvalidSchema, &node.span, error.to_string(), None);
            None
        }
    }
}

/// What stands in for a schema that could not be compiled.
fn empty() -> Schema {
    let open = Schema::new(Value::Bool(true));
    open.unwrap_or_else(|_| unreachable!("`true` is a schema"))
}

/// The schema of an output in its long form, where it has one.
pub(super) fn output_schema(lower: &mut Lower, node: &Node, keys: Keys<'_>) -> Option<Schema> {
    let schema = keywords(lower, node, keys);
    let some = schema.as_object().is_some_and(|schema| !schema.is_empty());
    some.then(|| Schema::new(schema).ok()).flatten()
}
