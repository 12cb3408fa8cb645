//! Files that people write: workflows, tests, and YAML for itself.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pawl_core::definition::Definition;
use pawl_core::diagnostic::Diagnostics;
use pawl_core::graph::{to_dot, to_mermaid, to_svg};
use pawl_core::source::{
    YAML_MAX_BYTES, YAML_MAX_DEPTH, YAML_MAX_NODES, load, test_file as tests, yaml_value,
};
use pawl_core::{json_bytes, within_depth};
use serde_json::Value;

/// More than this is not drawn: what the largest workflow's drawing takes is another test's matter.
const DRAWN_STEPS_MAX: usize = 60;

pub(super) fn workflow(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match load("fuzz.yaml", &text) {
        Err(problems) => {
            assert!(problems.has_errors(), "it was refused for no reason");
            shown(&problems, &text);
        }
        Ok(loaded) => {
            assert!(!loaded.warnings.has_errors(), "it was taken with errors");
            shown(&loaded.warnings, &text);
            if loaded.definition.steps.len() <= DRAWN_STEPS_MAX {
                drawn(&loaded.definition);
            }
        }
    }
}

/// Each problem has a place within the text, and can be shown in all ways.
fn shown(problems: &Diagnostics, text: &str) {
    for problem in &problems.list {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
        assert!(problem.line >= 1 && problem.column >= 1, "{problem:?}");
    }
    assert!(problems.is_empty() || !problems.render(false).is_empty());
    assert_eq!(problems.to_json().as_array().map(Vec::len), Some(problems.list.len()));
}

fn drawn(definition: &Definition) {
    assert!(to_mermaid(definition).starts_with("flowchart"));
    assert!(to_dot(definition).starts_with("digraph"));
    assert!(to_svg(definition, None).trim_end().ends_with("</svg>"));
}

pub(super) fn value(bytes: &[u8]) {
    let Some(value) = yaml_value(&String::from_utf8_lossy(bytes)) else { return };
    assert!(within_depth(&value, YAML_MAX_DEPTH), "deeper than yaml_max_depth");
    assert!(nodes(&value) <= YAML_MAX_NODES, "more than yaml_max_nodes");
    // JSON escapes a control character in six bytes, and has commas and quotes beside the texts.
    assert!(json_bytes(&value) <= YAML_MAX_BYTES * 6 + YAML_MAX_NODES * 4, "more than yaml_max_bytes");
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What tests are checked against.
static PLANNER: LazyLock<Option<Definition>> = LazyLock::new(|| {
    let text = include_str!("../../../../workflows/refund.yaml");
    load("refund.yaml", text).ok().map(|loaded| loaded.definition)
});

pub(super) fn test_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match tests::load("fuzz.test.yaml", &text) {
        Err(problems) => {
            assert!(problems.has_errors(), "it was refused for no reason");
            shown(&problems, &text);
        }
        Ok(file) => {
            let definition = PLANNER.as_ref().expect("the workflow that ships");
            shown(&tests::check(&file, "fuzz.test.yaml", &text, definition, &BTreeMap::new()), &text);
        }
    }
}
