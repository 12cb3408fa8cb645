//! A JSON Schema, compiled once.
//!
//! Schemas come from workflows, from plugins and from running agents, and the
//! driver checks answers against them: whatever is let in here is checked in
//! bounded time and space. Remote references are never fetched.

use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

use super::schema_cost;

/// The largest schema, in bytes of JSON.
pub const SCHEMA_MAX_BYTES: usize = 64 * 1_024;
/// The most that one regular expression of a schema may take when it is compiled, in bytes.
const PATTERN_MAX_COMPILED_BYTES: usize = 256 * 1_024;
/// What checking one value may come to: its places, times what the schema has to look at for each. Some
/// tenths of a second.
pub const SCHEMA_WORK_MAX: usize = 50_000_000;
/// How many problems of one value are told.
pub const PROBLEMS_MAX: usize = 20;
/// The longest value that a problem shows, in bytes of JSON; a longer one is only named.
const SHOWN_MAX_BYTES: usize = 256;

/// A compiled JSON Schema (draft 2020-12). Formats are checked, and regular
/// expressions have neither look-around nor back-references, so that they
/// take linear time.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: jsonschema::Validator,
    /// How many places a value may have that is checked.
    places_max: usize,
}

/// A schema that is none, or that pawl does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema: {0}")]
pub struct InvalidSchema(String);

impl Schema {
    /// Compiles a schema.
    pub fn new(json: Value) -> Result<Self, InvalidSchema> {
        let bytes = json.to_string().len();
        if bytes > SCHEMA_MAX_BYTES {
            return Err(InvalidSchema(format!(
                "it has {bytes} bytes, and schema_max_bytes is {SCHEMA_MAX_BYTES}"
            )));
        }
        let work = schema_cost::check(&json).map_err(InvalidSchema)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_MAX_COMPILED_BYTES)
            .dfa_size_limit(PATTERN_MAX_COMPILED_BYTES);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .build(&json)
            .map_err(|error| InvalidSchema(reason(&error)))?;
        Ok(Self { json, validator, places_max: SCHEMA_WORK_MAX / work.max(1) })
    }

    /// The schema as JSON.
    pub const fn json(&self) -> &Value {
        &self.json
    }

    /// The first ways in which a value does not fit, as `/pointer: reason`; empty when it fits.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        if let Some(too_large) = self.too_large(value) {
            return vec![too_large];
        }
        self.errors(value)
            .map(|error| {
                let place = error.instance_path().to_string();
                let reason = reason(&error);
                if place.is_empty() { reason } else { format!("{place}: {reason}") }
            })
            .collect()
    }

    /// Why a value is not even checked.
    pub(crate) fn too_large(&self, value: &Value) -> Option<String> {
        schema_cost::places_of(value, self.places_max).is_none().then(|| {
            format!(
                "the value is too large to be checked by this schema: more than {} places, of schema_work_max \
                 ({SCHEMA_WORK_MAX}); make it smaller, or the schema simpler",
                self.places_max
            )
        })
    }

    /// The same, as the validator gives them.
    pub(crate) fn errors<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = ValidationError<'v>> {
        self.validator.iter_errors(value).take(PROBLEMS_MAX)
    }

    /// Fills in the defaults of an object's absent properties, then checks it.
    pub fn accept(&self, value: Value) -> Result<Value, Vec<String>> {
        let value = self.with_defaults(value);
        let problems = self.problems(&value);
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }

    /// An object with the defaults of its absent properties, unchecked.
    pub fn with_defaults(&self, value: Value) -> Value {
        let mut value = value;
        if let (Value::Object(fields), Some(Value::Object(properties))) =
            (&mut value, self.json.get("properties"))
        {
            for (name, property) in properties {
                if let Some(default) = property.get("default") {
                    fields.entry(name.clone()).or_insert_with(|| default.clone());
                }
            }
        }
        value
    }
}

/// What an error says; a large value is not repeated in it.
pub(crate) fn reason(error: &ValidationError<'_>) -> String {
    if is_short(error.instance(), &mut { SHOWN_MAX_BYTES }) {
        error.to_string()
    } else {
        error.masked_with("the value").to_string()
    }
}

fn is_short(value: &Value, left: &mut usize) -> bool {
    let bytes = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len(),
        Value::Array(items) => return items.iter().all(|item| is_short(item, left)),
        Value::Object(fields) => {
            return fields.iter().all(|(name, item)| {
                *left = left.saturating_sub(name.len());
                is_short(item, left)
            });
        }
    };
    left.checked_sub(bytes).map(|rest| *left = rest).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_would_take_too_long_is_refused_when_it_is_compiled() {
        let classes = json!({ "pattern": "\\p{L}{500}".repeat(20) });
        let cases = [
            (json!({ "description": "x".repeat(SCHEMA_MAX_BYTES) }), "schema_max_bytes is 65536"),
            (classes, "regex"),
            (json!({ "pattern": "(?=a)b" }), "regex"),
            (json!({ "type": "strin" }), "strin"),
            (json!({ "$ref": "https://example.org/schema" }), "references"),
        ];
        for (schema, expected) in cases {
            let error = Schema::new(schema).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_value_that_would_take_too_long_to_check_is_told_so() {
        let parts: Vec<_> = (0..1_000).map(|number| json!({ "minimum": number })).collect();
        let schema = Schema::new(json!({ "items": { "allOf": parts } })).unwrap();
        assert!(schema.problems(&json!(vec![5_000; 1_000])).is_empty());
        let problems = schema.problems(&json!(vec![5_000; 100_000]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("schema_work_max (50000000)"), "{problems:?}");
        assert!(
            Schema::new(json!({ "items": { "type": "integer" } }))
                .unwrap()
                .problems(&json!(vec![1; 100_000]))
                .is_empty()
        );
    }

    #[test]
    fn formats_are_checked() {
        let schema = Schema::new(json!({ "type": "string", "format": "email" })).unwrap();
        assert!(schema.problems(&json!("ann@example.org")).is_empty());
        assert_eq!(schema.problems(&json!("ann")).len(), 1);
    }

    #[test]
    fn problems_are_few_and_short_however_large_the_value_is() {
        let limits: Vec<Value> = (0..50).map(|n| json!({ "maxLength": n })).collect();
        let schema = Schema::new(json!({ "allOf": limits })).unwrap();
        let problems = schema.problems(&json!("x".repeat(1_000_000)));
        assert_eq!(problems.len(), PROBLEMS_MAX);
        assert!(problems.iter().all(|problem| problem.len() < 1_000), "{problems:?}");
    }
}
