//! What a plugin says of itself, as JSON. On the second line a value that its schemas check.

use pawl_core::definition::Schema;
use pawl_core::plugin::Description;
use serde_json::{Value, json};

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (said, value) = text.split_once('\n').unwrap_or((&text, "{}"));
    let value =
        serde_json::from_str(value).unwrap_or_else(|_| json!({"text": value, "n": 1, "list": [value, 2.5]}));
    match serde_json::from_str::<Description>(said) {
        Ok(Description::Tools(tools)) => {
            for tool in tools {
                used(tool.input_schema, &value);
                used(tool.output_schema, &value);
            }
        }
        Ok(Description::Agent(agent)) => {
            used(agent.input_schema, &value);
            used(agent.output_schema, &value);
        }
        // What is no description may still be a schema.
        Err(_) => {
            if let Ok(schema) = serde_json::from_str::<Value>(said) {
                used(schema, &value);
            }
        }
    }
}

fn used(schema: Value, value: &Value) {
    match Schema::new(schema) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(schema) => {
            let problems = schema.problems(value);
            assert_eq!(problems, schema.problems(value), "the same value was judged in two ways");
            let _ = schema.accept(value.clone());
        }
    }
}
