//! What memories that runs share hold, before a test's run and after it.

use serde_json::{Map, Value};

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::tree::Node;
use super::{Place, Placed};
use crate::language::test_file::MEMORIES;
use crate::{MEMORY_KEY_MAX_BYTES, MemoryScope, diagnostic::Code};

/// What a memory holds: all of it.
#[derive(Debug, Clone)]
pub struct Holds {
    /// Whose memory it is, by key; that of the workflow without.
    pub key: Option<String>,
    /// Its values by their keys, an object.
    pub values: Placed<Value>,
}

impl Holds {
    /// Whose memory it is, in a test of a workflow.
    pub fn scope(&self, workflow: &str) -> MemoryScope {
        match &self.key {
            None => MemoryScope::Workflow(workflow.to_owned()),
            Some(key) => MemoryScope::Key(key.clone()),
        }
    }
}

/// Reads `memory`.
pub(super) fn memory(lower: &mut Lower, node: &Node) -> Vec<Holds> {
    let Some(keys) = lower.map(node, &MEMORIES) else { return Vec::new() };
    let of_workflow =
        get(keys, "workflow").map(|node| Holds { key: None, values: values(lower, node, "workflow") });
    let mut memories = Vec::from_iter(of_workflow);
    let by_key = get(keys, "keys").and_then(|node| lower.any_map(node, "keys")).unwrap_or_default();
    for entry in by_key {
        if !(1..=MEMORY_KEY_MAX_BYTES).contains(&entry.key.len()) {
            let message = format!("the key of a memory has {} bytes", entry.key.len());
            let help = Some(format!("at least 1, and at most memory_key_max_bytes ({MEMORY_KEY_MAX_BYTES})"));
            lower.report(Code::OutOfRange, &entry.key_span, message, help);
        }
        memories
            .push(Holds { key: Some(entry.key.clone()), values: values(lower, &entry.value, &entry.key) });
    }
    memories
}

fn values(lower: &mut Lower, node: &Node, what: &str) -> Placed<Value> {
    let empty = || Value::Object(Map::new());
    let value = lower.any_map(node, what).is_some().then(|| lower.constant(node, what));
    Placed { value: value.unwrap_or_else(empty), place: Place::of(lower, &node.span) }
}
