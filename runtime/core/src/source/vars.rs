//! `vars`: what the run keeps, and what a step changes of it.

use super::Places;
use super::lower::Lower;
use super::tree::Node;
use crate::definition::{Assignments, Definition};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::escaped;

/// Reads `vars`, of a workflow or of a step.
pub(super) fn assignments(lower: &mut Lower, node: &Node) -> Assignments {
    let mut vars = Vec::new();
    for entry in lower.any_map(node, "vars").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        lower.name(&entry.key, &entry.key_span, "a variable", "");
        vars.push((entry.key.clone(), lower.template(&entry.value)));
    }
    vars
}

/// Reports steps that change what the workflow does not declare.
pub(super) fn check(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    for (index, step) in definition.steps.iter().enumerate() {
        for (name, _) in &step.vars {
            if is_declared(definition, name) {
                continue;
            }
            let span = places.key(&format!("{}/vars/{}", places.step(index), escaped(name)));
            problems.push(Code::UnknownVar, span, unknown(name), "", Some(help(definition, name)));
        }
    }
}

pub(super) fn is_declared(definition: &Definition, name: &str) -> bool {
    definition.vars.iter().any(|(var, _)| var == name)
}

pub(super) fn unknown(name: &str) -> String {
    format!("there is no variable '{name}'")
}

/// What to write instead, or how to declare it.
pub(super) fn help(definition: &Definition, name: &str) -> String {
    let names = definition.vars.iter().map(|(var, _)| var.as_str());
    among(name, "variables are", names)
        .unwrap_or_else(|| format!("declare it at the top of the workflow: `vars: {{ {name}: 0 }}`"))
}
