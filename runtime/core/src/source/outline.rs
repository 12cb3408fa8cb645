//! What is known of the steps before any is read: their ids and lists, so that jumps forward find their targets.
//!
//! Steps are numbered in the order of the source, each before the steps within
//! it, as they are when they are read.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Kind, Node};
use crate::definition::StepIndex;
use crate::language::STEP;

/// The verbs whose steps may ask somebody.
const ASKING: [&str; 3] = ["human", "tool", "agent"];

/// The steps of a source, those within steps too.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The first step of each id.
    pub(super) ids: BTreeMap<String, StepIndex>,
    /// Of each step, whether it has `max_visits`, and the number of the list that it stands in.
    pub(super) steps: Vec<(bool, usize)>,
    /// The names under `workflows`.
    pub(super) workflows: BTreeSet<String>,
    /// The steps at which somebody may be asked: by the step itself, or by a rule that guards what it calls.
    pub(super) asking: BTreeSet<String>,
    /// How many lists there are.
    lists: usize,
}

impl Outline {
    pub(super) fn of(root: &Node) -> Self {
        let mut outline = Self::default();
        if let Some(steps) = root.get("steps") {
            outline.add(steps);
        }
        let workflows = root.get("workflows").and_then(Node::as_map).unwrap_or_default();
        outline.workflows = workflows.iter().map(|entry| entry.key.clone()).collect();
        outline
    }

    fn add(&mut self, list: &Node) {
        let number = self.lists;
        self.lists += 1;
        for step in list.as_list().unwrap_or_default() {
            let index = StepIndex(self.steps.len());
            self.steps.push((step.get("max_visits").is_some(), number));
            if let Some(id) = step.get("id").and_then(Node::as_text) {
                self.ids.entry(id.to_owned()).or_insert(index);
                if ASKING.iter().any(|verb| step.get(verb).is_some()) {
                    self.asking.insert(id.to_owned());
                }
            }
            for inner in lists_within(step) {
                self.add(inner);
            }
        }
    }
}

/// The lists of steps within a step, in the order in which they are read.
fn lists_within(step: &Node) -> Vec<&Node> {
    // Of several verbs only the first is read.
    let is_verb = |name: &str| STEP.keys().any(|key| key.verb && key.name == name);
    let verb = step.as_map().unwrap_or_default().iter().find(|entry| is_verb(&entry.key));
    let of = |name: &str| verb.filter(|entry| entry.key == name).map(|entry| &entry.value);
    let branches = of("parallel").and_then(|parallel| parallel.get("branches"));
    let branches = branches.and_then(Node::as_map).unwrap_or_default().iter();
    let branches = branches.filter(|entry| !entry.key.starts_with("x-")).map(|entry| &entry.value);
    let bodies = ["map", "loop"].into_iter().filter_map(|verb| of(verb)?.get("steps"));
    let after = ["catch", "finally", "undo"].into_iter().filter_map(|key| step.get(key));
    branches.chain(bodies).chain(after).filter(|list| matches!(list.kind, Kind::List(_))).collect()
}
