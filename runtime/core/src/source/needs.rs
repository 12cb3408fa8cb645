//! `needs`: a list of steps as a graph.

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::lower::Lower;
use super::tree::{Entry, Node};
use crate::definition::{BlockIndex, StepIndex};
use crate::diagnostic::{Code, among};

/// Reads `needs` of the step at an index.
pub(super) fn needs(lower: &mut Lower, node: &Node, from: StepIndex) -> Vec<StepIndex> {
    let mut needs = Vec::new();
    for (name, span) in lower.texts(node, "needs") {
        match need(lower, name, from, &needs) {
            Ok(index) => needs.push(index),
            Err((code, message, help)) => lower.report(code, &span, message, help),
        }
    }
    needs
}

fn need(
    lower: &Lower,
    name: &str,
    from: StepIndex,
    before: &[StepIndex],
) -> Result<StepIndex, (Code, String, Option<String>)> {
    let list_of = |index: StepIndex| lower.outline.steps.get(index.0).map(|(_, list)| *list);
    let leave_out = Some("leave it out".to_owned());
    let Some(index) = lower.outline.ids.get(name).copied() else {
        let beside = lower.outline.ids.iter().filter(|(_, index)| list_of(**index) == list_of(from));
        let others = beside.filter(|(_, index)| **index != from).map(|(id, _)| id.as_str());
        let help = among(name, "steps of this list are", others);
        return Err((Code::UnknownNeed, format!("there is no step '{name}'"), help));
    };
    if list_of(index) != list_of(from) {
        let message = format!("'{name}' stands in another list of steps");
        return Err((Code::UnknownNeed, message, Some("a step needs steps of its own list".to_owned())));
    }
    if index == from {
        return Err((Code::CircularNeeds, format!("the step '{name}' needs itself"), leave_out));
    }
    if before.contains(&index) {
        return Err((Code::InvalidValue, format!("'{name}' stands twice"), leave_out));
    }
    Ok(index)
}

/// What has no place in a list that is a graph: whatever leads somewhere by itself.
pub(super) fn check_keys(lower: &mut Lower, entries: &[Entry], block: BlockIndex) {
    if !lower.blocks.get(block.0).is_some_and(|block| block.is_graph) {
        return;
    }
    for entry in entries.iter().filter(|entry| matches!(entry.key.as_str(), "then" | "switch")) {
        let message = format!("'{}' does not go with needs", entry.key);
        let help = "steps of this list say `needs`, so each starts when what it needs is done; \
                    leave steps out with `if`";
        lower.report(Code::KeyMismatch, &entry.key_span, message, Some(help.to_owned()));
    }
}

/// Reports steps of a list that need each other.
pub(super) fn check_circles(lower: &mut Lower, items: &[Node], steps: &[StepIndex]) {
    let step = |index: &StepIndex| lower.steps.get(index.0).and_then(Option::as_ref);
    let place = |index: &StepIndex| steps.iter().position(|step| step == index);
    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<_> = (0..steps.len()).map(|at| graph.add_node(at)).collect();
    for (from, index) in steps.iter().enumerate() {
        let needs = step(index).map(|step| step.needs.as_slice()).unwrap_or_default();
        for to in needs.iter().filter_map(place) {
            graph.add_edge(nodes[from], nodes[to], ());
        }
    }
    let mut circles = Vec::new();
    for circle in tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1) {
        let mut circle: Vec<usize> = circle.into_iter().map(|node| graph[node]).collect();
        circle.sort_unstable();
        let ids = circle.iter().filter_map(|at| step(&steps[*at])).map(|step| format!("'{}'", step.id));
        let names = ids.collect::<Vec<_>>().join(", ");
        let item = circle.first().and_then(|at| items.get(*at));
        let span = item.map(|item| item.get("needs").unwrap_or(item).span.clone()).unwrap_or_default();
        circles.push((span, format!("the steps {names} need each other, so none of them can start")));
    }
    for (span, message) in circles {
        let help = Some("take one out of the `needs` of another".to_owned());
        lower.report(Code::CircularNeeds, &span, message, help);
        lower.ways_known = false;
    }
}
