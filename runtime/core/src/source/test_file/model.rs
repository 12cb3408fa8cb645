//! What models say in a test.

use super::super::lower::Lower;
use super::super::operator::rules;
use super::super::tree::Node;
use super::Place;
use crate::chat::ModelScript;

/// What one model says.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelGiven {
    /// The name that the workflow grants.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub says: Says,
}

/// What a model says, or where that stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// In a script, relative to the test file.
    File(String),
    /// Here.
    Rules(ModelScript),
}

/// Reads `models`.
pub(super) fn models(lower: &mut Lower, node: &Node) -> Vec<ModelGiven> {
    let mut models = Vec::new();
    for entry in lower.any_map(node, "models").unwrap_or_default() {
        if entry.key.starts_with("x-") || !lower.name(&entry.key, &entry.key_span, "a model", "-") {
            continue;
        }
        let says = match entry.value.as_text() {
            Some(path) => Says::File(path.to_owned()),
            None => Says::Rules(rules(lower, &entry.value)),
        };
        models.push(ModelGiven { name: entry.key.clone(), place: Place::of(lower, &entry.key_span), says });
    }
    models
}
