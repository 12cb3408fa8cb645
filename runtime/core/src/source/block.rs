//! Lists of steps: the workflow's own, and those within steps.

use std::sync::Arc;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Kind, Node};
use super::{BLOCKS_MAX_DEPTH, BRANCHES_MAX, MAP_MAX_PARALLEL, STEPS_MAX, VISITS_MAX, needs, step};
use crate::definition::{
    Block, BlockIndex, Join, LoopStep, MapStep, OnError, ParallelStep, Role, StepIndex, Verb,
};
use crate::diagnostic::{Code, among};
use crate::expression::{FUNCTIONS, Root};
use crate::language::{LOOP, MAP, PARALLEL};

/// How many items of a `map` are gone through at once where it does not say.
const DEFAULT_PARALLEL: u32 = 16;

/// Reads a list of steps that stands at a pointer, within a step or at the top.
pub(super) fn block(
    lower: &mut Lower,
    node: &Node,
    role: Role,
    parent: Option<StepIndex>,
    pointer: &str,
) -> BlockIndex {
    let block = BlockIndex(lower.blocks.len());
    let items = lower.list(node, "steps").unwrap_or_default();
    let is_graph = items.iter().any(|item| item.get("needs").is_some());
    lower.blocks.push(Block { role, parent, steps: Vec::new(), is_graph });
    if node.as_list().is_some_and(<[Node]>::is_empty) {
        let help = Some("write at least one step".to_owned());
        lower.report(Code::MissingKey, &node.span, "a list of steps needs a step", help);
    }
    if depth(lower, block) > BLOCKS_MAX_DEPTH {
        let help = Some(format!(
            "blocks_max_depth is {BLOCKS_MAX_DEPTH}; make a workflow of its own of the inner steps"
        ));
        lower.report(Code::OutOfRange, &node.span, "lists of steps are nested too deeply", help);
        return block;
    }
    for (number, item) in items.iter().enumerate() {
        let index = StepIndex(lower.steps.len());
        if index.0 == STEPS_MAX {
            let message = format!("the workflow has {} steps", lower.outline.steps.len());
            lower.report(Code::OutOfRange, &item.span, message, Some(format!("steps_max is {STEPS_MAX}")));
        }
        if index.0 >= STEPS_MAX {
            lower.ways_known = false;
            return block;
        }
        lower.steps.push(None);
        let pointer = format!("{pointer}/{number}");
        lower.pointers.push(pointer.clone());
        if let Some(block) = lower.blocks.get_mut(block.0) {
            block.steps.push(index);
        }
        let step = step::step(lower, item, index, block, &pointer);
        lower.steps[index.0] = Some(step);
    }
    let steps = lower.blocks[block.0].steps.clone();
    if is_graph {
        needs::check_circles(lower, items, &steps);
        return block;
    }
    for pair in steps.windows(2) {
        if let Some(step) = lower.steps[pair[0].0].as_mut() {
            step.below = Some(pair[1]);
        }
    }
    block
}

fn depth(lower: &Lower, block: BlockIndex) -> usize {
    let mut depth = 0;
    let mut at = lower.blocks.get(block.0).and_then(|block| block.parent);
    while let Some(parent) = at {
        depth += 1;
        at = lower.list_of(parent).and_then(|block| block.parent);
    }
    depth
}

/// Reads `parallel`.
pub(super) fn parallel(lower: &mut Lower, node: &Node, index: StepIndex, pointer: &str) -> Option<Verb> {
    let entries = lower.map(node, &PARALLEL)?;
    let node_of_branches = lower.required(entries, "branches", &node.span)?;
    let mut branches = Vec::new();
    for entry in lower.any_map(node_of_branches, "branches").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        lower.name(&entry.key, &entry.key_span, "a branch", "-");
        let at = format!("{pointer}/parallel/branches/{}", crate::expression::escaped(&entry.key));
        branches.push((entry.key.clone(), block(lower, &entry.value, Role::Branch, Some(index), &at)));
    }
    let count = u32::try_from(branches.len()).unwrap_or(u32::MAX);
    if branches.is_empty() || branches.len() > BRANCHES_MAX {
        let message = format!("parallel has {count} branches");
        let help = Some(format!("from 1 to {BRANCHES_MAX}"));
        lower.report(Code::OutOfRange, &node_of_branches.span, message, help);
    }
    let join = get(entries, "join").map_or(Some(Join::All), |node| join(lower, node, count.max(1)));
    Some(Verb::Parallel(ParallelStep { branches, join: join.unwrap_or(Join::All) }))
}

fn join(lower: &mut Lower, node: &Node, branches: u32) -> Option<Join> {
    match &node.kind {
        Kind::Text(text) if text == "all" => Some(Join::All),
        Kind::Text(text) if text == "any" => Some(Join::Some(1)),
        Kind::Number(_) => lower.whole(node, "join", 1..=branches).map(Join::Some),
        Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
            let help = Some("write all, any or a number of branches".to_owned());
            lower.report(Code::InvalidValue, &node.span, "this is no way to join branches", help);
            None
        }
    }
}

/// Reads `map`.
pub(super) fn map(lower: &mut Lower, node: &Node, index: StepIndex, pointer: &str) -> Option<Verb> {
    let entries = lower.map(node, &MAP)?;
    let items = lower.required(entries, "items", &node.span);
    let items = items.and_then(|node| lower.expression(node, "items"));
    let name = get(entries, "as").and_then(|node| item_name(lower, node));
    let parallel = get(entries, "max_parallel")
        .and_then(|node| lower.whole(node, "max_parallel", 1..=MAP_MAX_PARALLEL))
        .unwrap_or(DEFAULT_PARALLEL);
    let on_error = get(entries, "on_error").and_then(|node| on_error(lower, node)).unwrap_or(OnError::Fail);
    let steps = lower.required(entries, "steps", &node.span)?;
    let before = lower.locals.len();
    lower.locals.extend(name.as_deref().map(Arc::from));
    let body = block(lower, steps, Role::Item, Some(index), &format!("{pointer}/map/steps"));
    lower.locals.truncate(before);
    Some(Verb::Map(MapStep { items: items?, name, max_parallel: parallel, on_error, body }))
}

fn item_name(lower: &mut Lower, node: &Node) -> Option<String> {
    let name = lower.text(node, "as")?;
    let taken = Root::ALL.iter().any(|root| root.name() == name) || FUNCTIONS.contains(&name);
    let small = name.starts_with(|c: char| c.is_ascii_lowercase());
    if taken || !small {
        let message = format!("an item cannot be called '{name}'");
        let help = Some("a small letter first, and none of the names that expressions have".to_owned());
        lower.report(Code::InvalidValue, &node.span, message, help);
        return None;
    }
    lower.name(name, &node.span, "an item", "").then(|| name.to_owned())
}

fn on_error(lower: &mut Lower, node: &Node) -> Option<OnError> {
    match lower.text(node, "on_error")? {
        "fail" => Some(OnError::Fail),
        "collect" => Some(OnError::Collect),
        other => {
            let message = format!("on_error cannot be '{other}'");
            lower.report(Code::InvalidValue, &node.span, message, among(other, "it is", ["fail", "collect"]));
            None
        }
    }
}

/// Reads `loop`.
pub(super) fn repeat(lower: &mut Lower, node: &Node, index: StepIndex, pointer: &str) -> Option<Verb> {
    let entries = lower.map(node, &LOOP)?;
    let condition = lower.required(entries, "while", &node.span);
    let condition = condition.and_then(|node| lower.expression(node, "while"));
    let most = lower.required(entries, "max_visits", &node.span);
    let most = most.and_then(|node| lower.whole(node, "max_visits", 1..=VISITS_MAX));
    let steps = lower.required(entries, "steps", &node.span)?;
    let body = block(lower, steps, Role::Turn, Some(index), &format!("{pointer}/loop/steps"));
    Some(Verb::Loop(LoopStep { condition: condition?, max_visits: most?, body }))
}

/// Reads `catch` or `finally` of a step.
pub(super) fn after(
    lower: &mut Lower,
    entries: Keys<'_>,
    key: &str,
    role: Role,
    index: StepIndex,
    pointer: &str,
) -> Option<BlockIndex> {
    let node = get(entries, key)?;
    Some(block(lower, node, role, Some(index), &format!("{pointer}/{key}")))
}
