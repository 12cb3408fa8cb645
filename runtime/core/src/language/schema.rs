//! The table as a JSON Schema, for editors: a file that it refuses does not load.
//!
//! It knows nothing of what goes beyond one place: names, jumps, expressions,
//! fields. `pawl check` says all.

use serde_json::{Map, Value, json};

use super::{Goes, INPUT, Key, Need, OUTPUT, PLACES, Place, STEP, Shape, TYPES};
use crate::FailureKind;
use crate::source::{NAME_MAX_BYTES, STEPS_MAX, yaml_value};

/// What the schema calls itself.
pub const SCHEMA_ID: &str = "https://github.com/pawl-dev/pawl/blob/main/docs/workflow.schema.json";

/// The JSON Schema (2020-12) of a workflow.
pub fn schema() -> Value {
    schema_of(SCHEMA_ID, "A workflow of pawl", &PLACES)
}

/// The schema of documents whose top is the first of these places; the others stand within it.
pub(super) fn schema_of(id: &str, title: &str, places: &[&'static Place]) -> Value {
    let Some((top, inner)) = places.split_first() else { return json!({}) };
    let mut schema = place(top);
    let definitions: Map<_, _> = inner.iter().map(|inner| (inner.name.to_owned(), place(inner))).collect();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("$id".to_owned(), json!(id));
        schema.insert("title".to_owned(), json!(title));
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

fn place(place: &Place) -> Value {
    let properties: Map<_, _> = place.keys().map(|row| (row.name.to_owned(), key(row))).collect();
    let required: Vec<_> =
        place.keys().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    });
    let beside = place.keys().filter(|key| !key.beside.is_empty());
    let beside: Map<_, _> = beside.map(|key| (key.name.to_owned(), json!(key.beside))).collect();
    let goes = place.keys().filter_map(|key| Some((key.name.to_owned(), verbs(key.goes)?)));
    let goes: Map<_, _> = goes.collect();
    let verbs: Vec<_> = place.keys().filter(|key| key.verb).map(|key| has(key.name)).collect();
    for (name, rule) in
        [("dependentRequired", json!(beside)), ("dependentSchemas", json!(goes)), ("oneOf", json!(verbs))]
    {
        let empty = rule.as_object().is_some_and(Map::is_empty) || rule.as_array().is_some_and(Vec::is_empty);
        if let (false, Some(schema)) = (empty, schema.as_object_mut()) {
            schema.insert(name.to_owned(), rule);
        }
    }
    schema
}

fn has(key: &str) -> Value {
    json!({ "required": [key] })
}

fn verbs(goes: Goes) -> Option<Value> {
    let any = |verbs: &[&str]| json!({ "anyOf": verbs.iter().map(|verb| has(verb)).collect::<Vec<_>>() });
    match goes {
        Goes::WithAll => None,
        Goes::With(verbs) => Some(any(verbs)),
        Goes::Without(verbs) => Some(json!({ "not": any(verbs) })),
    }
}

fn key(key: &Key) -> Value {
    let mut schema = shape(key.shape);
    let Some(fields) = schema.as_object_mut() else { return schema };
    let says = match key.need {
        Need::Required | Need::Default(_) => key.says.to_owned(),
        Need::Otherwise(words) => format!("{} Without it: {words}.", key.says),
    };
    fields.insert("description".to_owned(), json!(if key.verb { key.says.to_owned() } else { says }));
    if let Need::Default(yaml) = key.need {
        fields.insert("default".to_owned(), json!(yaml_value(yaml)));
    }
    fields.insert("examples".to_owned(), json!([yaml_value(key.example)]));
    schema
}

fn shape(of: Shape) -> Value {
    match of {
        Shape::Constant | Shape::Template | Shape::Keyword => json!({}),
        Shape::Arguments => {
            json!({ "anyOf": [{ "type": "object" }, { "type": "string", "pattern": "\\$\\{\\{" }] })
        }
        Shape::Text | Shape::TextTemplate => json!({ "type": "string" }),
        Shape::Expression => json!({ "type": ["string", "boolean"] }),
        Shape::Name(more) => {
            let most = NAME_MAX_BYTES - 1;
            let more: String = more.chars().flat_map(|c| ['\\', c]).collect();
            pattern(&format!("^[A-Za-z][A-Za-z0-9_{more}]{{0,{most}}}$"))
        }
        Shape::Target => shape(Shape::Name("")),
        Shape::Tool => pattern(r"^[^.]+\..+$"),
        Shape::Version => pattern(r"^[0-9]{1,9}(\.[0-9]{1,9}){2}([-+][0-9A-Za-z.+-]*)?$"),
        Shape::Person => pattern("^(user|group):."),
        Shape::Excluded => pattern(r"^(initiator$|steps\..|user:.|group:.)"),
        Shape::Duration => pattern("^[0-9]+(ms|s|m|h|d)$"),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::True => json!({ "const": true }),
        Shape::Exactly(number) => json!({ "const": number }),
        Shape::Whole(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Number(from, to) => json!({ "type": "number", "minimum": from, "maximum": to }),
        Shape::Percent => pattern("^([1-9][0-9]?|100)%$"),
        Shape::OneOf(texts) => json!({ "enum": texts }),
        Shape::FailureKind => json!({ "enum": FailureKind::ALL.map(FailureKind::name) }),
        Shape::Type => json!({ "enum": TYPES.iter().chain(&["null"]).collect::<Vec<_>>() }),
        Shape::Map(place) => reference(place),
        Shape::Named(inner) => named(&shape(*inner)),
        Shape::Steps => {
            json!({ "type": "array", "items": reference(&STEP), "minItems": 1, "maxItems": STEPS_MAX })
        }
        Shape::List(inner) => json!({ "type": "array", "items": shape(*inner), "minItems": 1 }),
        Shape::Any(inner) => json!({ "type": "array", "items": shape(*inner) }),
        Shape::OneOrMore(inner) => {
            json!({ "anyOf": [shape(*inner), { "type": "array", "items": shape(*inner) }] })
        }
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(|inner| shape(*inner)).collect::<Vec<_>>() })
        }
        Shape::Fields => named(&json!({ "anyOf": [shape(Shape::Type), reference(&INPUT)] })),
        Shape::Form => json!({
            "if": {
                "properties": { "type": { "const": "object" }, "properties": { "type": "object" } },
                "required": ["type", "properties"],
            },
            "then": { "type": "object" },
            "else": shape(Shape::Fields),
        }),
        Shape::Outputs => named(&json!({
            "if": { "type": "object", "required": ["value"] },
            "then": reference(&OUTPUT),
        })),
    }
}

fn reference(place: &Place) -> Value {
    json!({ "$ref": format!("#/$defs/{}", place.name) })
}

fn pattern(regex: &str) -> Value {
    json!({ "type": "string", "pattern": regex })
}

fn named(inner: &Value) -> Value {
    json!({ "type": "object", "patternProperties": { "^x-": {} }, "additionalProperties": inner })
}
