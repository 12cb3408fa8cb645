//! Which fields a schema excludes.
//!
//! A schema that lists properties and says nothing of others is taken at its
//! word: a plugin that gives more says so with `additionalProperties`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::expression::{Part, Segment, Template};

/// A field that a value never has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The way to the value without the field, `.order.lines[0]`.
    pub(super) above: String,
    /// The field.
    pub(super) name: String,
    /// What there is instead.
    pub(super) known: Vec<String>,
}

/// How many references of a schema to its own parts are followed.
const REFERENCES_MAX: usize = 32;
/// How many schemas may be possible for one value before it counts as not understood.
const ALTERNATIVES_MAX: usize = 256;

/// The first field of a path that a schema excludes.
pub(super) fn missing_field(schema: &Value, path: &[Segment]) -> Option<Missing> {
    let mut at = vec![schema];
    let mut above = String::new();
    for segment in path {
        let mut below = Vec::new();
        for part in at.iter().flat_map(|part| alternatives(schema, part)) {
            match (segment, part) {
                (_, None) | (Segment::Dynamic, _) => return None,
                (Segment::Field(name), Some(part)) => match field(part, name) {
                    Field::Open => return None,
                    Field::Known(schema) => below.push(schema),
                    Field::Excluded => {}
                },
                (Segment::Index(_), Some(part)) => below.push(part.get("items")?),
            }
        }
        if let (true, Segment::Field(name)) = (below.is_empty(), segment) {
            let known = at.iter().flat_map(|part| alternatives(schema, part)).flatten();
            let known = known.filter_map(|part| part.get("properties")?.as_object()).flat_map(Map::keys);
            return Some(Missing { above, name: name.clone(), known: known.cloned().collect() });
        }
        match segment {
            Segment::Field(name) => above.extend([".", name]),
            Segment::Index(index) => above.extend(["[", &index.to_string(), "]"]),
            Segment::Dynamic => {}
        }
        at = below;
    }
    None
}

/// The types that a value at a path can have; nothing where the schema does not say.
pub(super) fn types(schema: &Value, path: &[Segment]) -> Option<BTreeSet<String>> {
    let mut at = vec![schema];
    for segment in path {
        let mut below = Vec::new();
        for part in at.iter().flat_map(|part| alternatives(schema, part)) {
            match segment {
                Segment::Dynamic => return None,
                Segment::Field(name) => match field(part?, name) {
                    Field::Open => return None,
                    Field::Known(schema) => below.push(schema),
                    Field::Excluded => {}
                },
                Segment::Index(_) => below.push(part?.get("items")?),
            }
        }
        at = below;
    }
    let mut types = BTreeSet::new();
    for part in at.iter().flat_map(|part| alternatives(schema, part)) {
        match part?.get("type")? {
            Value::String(name) => {
                types.insert(name.clone());
            }
            Value::Array(names) => types.extend(names.iter().filter_map(Value::as_str).map(str::to_owned)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
        }
    }
    // A field that is excluded was reported as such.
    (!types.is_empty()).then_some(types)
}

enum Field<'s> {
    /// The schema does not say.
    Open,
    Known(&'s Value),
    Excluded,
}

fn field<'s>(schema: &'s Value, name: &str) -> Field<'s> {
    let types = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.contains(&"object") {
        return Field::Excluded;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(found) = properties.and_then(|properties| properties.get(name)) {
        return Field::Known(found);
    }
    let more = schema.get("additionalProperties");
    let patterns = schema.get("patternProperties").is_some();
    match (properties, more) {
        _ if patterns => Field::Open,
        (_, Some(Value::Bool(false))) => Field::Excluded,
        (Some(properties), None) if !properties.is_empty() => Field::Excluded,
        _ => Field::Open,
    }
}

/// The schemas that a value may follow, references resolved; `None` stands for one that is not understood.
fn alternatives<'s>(root: &'s Value, schema: &'s Value) -> Vec<Option<&'s Value>> {
    let mut found = Vec::new();
    collect(root, schema, REFERENCES_MAX, &mut found);
    if found.len() > ALTERNATIVES_MAX {
        return vec![None];
    }
    found
}

fn collect<'s>(root: &'s Value, schema: &'s Value, depth: usize, found: &mut Vec<Option<&'s Value>>) {
    // Enough is known: a schema can lead to itself along many ways.
    if found.len() > ALTERNATIVES_MAX {
        return;
    }
    let Some(depth) = depth.checked_sub(1) else { return found.push(None) };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return match target {
            Some(target) => collect(root, target, depth, found),
            None => found.push(None),
        };
    }
    if ["allOf", "not", "if", "$dynamicRef", "dependentSchemas"].iter().any(|key| schema.get(key).is_some()) {
        return found.push(None);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(parts) = schema.get(key).and_then(Value::as_array) {
            return parts.iter().for_each(|part| collect(root, part, depth, found));
        }
    }
    found.push(Some(schema));
}

/// What the value of a template looks like, as far as it is written out.
pub(super) fn template_schema(template: &Template) -> Value {
    part_schema(template.part())
}

fn part_schema(part: &Part) -> Value {
    match part {
        Part::Literal(value) => value_schema(value),
        Part::Expression(_) => json!({}),
        Part::Text(_) => json!({ "type": "string" }),
        Part::List(_) => json!({ "type": "array" }),
        Part::Map(fields) => {
            let properties: Map<_, _> =
                fields.iter().map(|(name, part)| (name.clone(), part_schema(part))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    }
}

fn value_schema(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Array(_) => json!({ "type": "array" }),
        Value::Object(fields) => {
            let properties: Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), value_schema(value))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_excluded_only_where_every_alternative_excludes_it() {
        let schema = json!({
            "type": "object",
            "properties": {
                "order": { "$ref": "#/$defs/Order" },
                "either": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/Order" }] },
                "open": { "type": "object", "properties": { "a": {} }, "additionalProperties": true },
                "free": {},
                "text": { "type": ["string", "null"] },
                "all": { "allOf": [{ "$ref": "#/$defs/Order" }] },
                "self": { "$ref": "#/properties/self" },
            },
            "$defs": { "Order": { "type": "object", "properties": {
                "id": { "type": "string" },
                "lines": { "type": "array", "items": { "type": "object", "properties": { "sku": {} } } },
            } } },
        });
        let cases = [
            ("order.id", None),
            ("order.idd", Some("idd")),
            ("order.id.x", Some("x")),
            ("order.lines.0.sku", None),
            ("order.lines.0.skew", Some("skew")),
            ("either.id", None),
            ("either.nope", Some("nope")),
            ("open.b", None),
            ("free.a.b", None),
            ("text.length", Some("length")),
            ("all.nope", None),
            ("self.x", None),
            ("nope", Some("nope")),
        ];
        let circle = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }] });
        assert_eq!(missing_field(&circle, &[Segment::Field("x".to_owned())]), None);
        for (path, expected) in cases {
            let path: Vec<Segment> = path
                .split('.')
                .map(|name| name.parse().map_or_else(|_| Segment::Field(name.to_owned()), Segment::Index))
                .collect();
            let found = missing_field(&schema, &path).map(|missing| missing.name);
            assert_eq!(found.as_deref(), expected, "{path:?}");
        }
    }
}
