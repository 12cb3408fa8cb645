//! Expressions and templates, on values that have some of everything.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use pawl_core::expression::{Expression, Layer, Scope, Template, VALUE_MAX_BYTES, VALUE_MAX_DEPTH};
use pawl_core::{Failure, FailureKind, StepId, json_bytes, within_depth};
use serde_json::{Value, json};

struct World {
    inputs: Arc<Value>,
    vars: Arc<Value>,
    run: Arc<Value>,
    item: Arc<Value>,
    outputs: BTreeMap<StepId, Arc<Value>>,
    error: Failure,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let order = json!({
        "id": "A-1001", "amount": 12.5, "lines": [{"sku": "x", "n": 1}, {"sku": "é\u{1f600}", "n": 2}],
        "big": u64::MAX, "small": i64::MIN, "whole": 1.0, "a-b": 1, "in": 2, "none": null, "": [[], {}],
    });
    World {
        inputs: Arc::new(
            json!({"text": "broken ß", "limit": 10, "vip": true, "list": [3, 1, 2], "deep": {"a": {"b": [1]}}}),
        ),
        vars: Arc::new(json!({"spent": 4, "names": ["b", "a", "A"]})),
        run: Arc::new(
            json!({"id": "r1", "workflow": "w", "version": "1.0.0", "started_at": "2026-01-01T00:00:00Z"}),
        ),
        item: Arc::new(json!({"n": -1, "of": ["x", null]})),
        outputs: BTreeMap::from([(StepId::new("order"), Arc::new(order))]),
        error: Failure::new(FailureKind::Transient, "busy"),
    }
});

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let world = &*WORLD;
    let layer = Layer {
        outputs: &world.outputs,
        item: Some(&world.item),
        name: Some("each"),
        index: Some(7),
        error: Some(&world.error),
    };
    let scope = Scope { inputs: &world.inputs, vars: &world.vars, run: &world.run, layers: vec![layer] };
    match Expression::compile(&text) {
        Ok(expression) => {
            let first = expression.evaluate(&scope);
            let again = expression.evaluate(&scope);
            assert_eq!(first, again, "the same expression gave two things");
            if let Ok(value) = first {
                bounded(&value);
            }
            let _ = expression.holds(&scope);
        }
        Err(error) => {
            assert!(error.range.start <= error.range.end && error.range.end <= text.len(), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    let value = json!({"it": &*text, "list": [format!("{text} ${{{{ inputs.limit }}}}"), format!("${{{{ {text} }}}}")]});
    match Template::compile(&value) {
        Ok(template) => {
            if let Ok(value) = template.evaluate(&scope) {
                bounded(&value);
            }
        }
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
}

fn bounded(value: &Value) {
    assert!(within_depth(value, VALUE_MAX_DEPTH + 2), "deeper than value_max_depth");
    // Escapes are not counted: a control character is six bytes of JSON.
    assert!(json_bytes(value) <= VALUE_MAX_BYTES * 6 + 64, "more than value_max_bytes");
}
