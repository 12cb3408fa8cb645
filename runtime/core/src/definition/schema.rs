//! A JSON Schema, compiled once.

use serde_json::Value;

/// A compiled JSON Schema (draft 2020-12); remote references are never fetched.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: jsonschema::Validator,
}

/// A schema that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Schema: {0}")]
pub struct InvalidSchema(String);

impl Schema {
    /// Compiles a schema.
    pub fn new(json: Value) -> Result<Self, InvalidSchema> {
        let validator = jsonschema::validator_for(&json).map_err(|e| InvalidSchema(e.to_string()))?;
        Ok(Self { json, validator })
    }

    /// The schema as JSON.
    pub const fn json(&self) -> &Value {
        &self.json
    }

    /// Every way in which a value does not fit, as `/pointer: reason`; empty when it fits.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        self.validator
            .iter_errors(value)
            .map(|error| {
                let place = error.instance_path().to_string();
                if place.is_empty() { error.to_string() } else { format!("{place}: {error}") }
            })
            .collect()
    }

    /// Fills in the defaults of an object's absent properties, then checks it.
    pub fn accept(&self, value: Value) -> Result<Value, Vec<String>> {
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
        let problems = self.problems(&value);
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }
}
