//! `undo`: what takes a step back.

use std::collections::BTreeSet;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::sites::sites;
use super::tree::Node;
use super::{Places, block};
use crate::StepId;
use crate::definition::{BlockIndex, Definition, OnCancel, Role, StepIndex, Undo};
use crate::diagnostic::{Code, among};
use crate::expression::Root;

/// Reads `undo` of the step at an index, which stands in a list.
pub(super) fn undo(
    lower: &mut Lower,
    entries: Keys<'_>,
    index: StepIndex,
    own: BlockIndex,
    pointer: &str,
) -> Option<Undo> {
    let node = get(entries, "undo")?;
    if is_within_undo(lower, own) {
        let help = Some("what undoes is not undone itself; give it `retry` or `catch`".to_owned());
        lower.report(Code::KeyMismatch, &node.span, "'undo' does not go within undo", help);
    }
    let block = block::after(lower, entries, "undo", Role::Undo, index, pointer)?;
    Some(Undo { block, uses: BTreeSet::new() })
}

fn is_within_undo(lower: &Lower, block: BlockIndex) -> bool {
    let mut at = lower.blocks.get(block.0);
    while let Some(block) = at {
        if block.role == Role::Undo {
            return true;
        }
        at = block.parent.and_then(|parent| lower.list_of(parent));
    }
    false
}

/// Reads `on_cancel`.
pub(super) fn on_cancel(lower: &mut Lower, node: &Node) -> Option<OnCancel> {
    match lower.text(node, "on_cancel")? {
        "stop" => Some(OnCancel::Stop),
        "undo" => Some(OnCancel::Undo),
        other => {
            let message = format!("on_cancel cannot be '{other}'");
            lower.report(Code::InvalidValue, &node.span, message, among(other, "it is", ["stop", "undo"]));
            None
        }
    }
}

/// Finds what each `undo` uses of the steps around it.
pub(super) fn find_uses(definition: &mut Definition, places: &Places) {
    let mut uses = Vec::new();
    for site in sites(definition, places) {
        let from = site.block(definition);
        let outer = definition.around(from).find(|block| block.role == Role::Undo);
        let Some(undone) = outer.and_then(|block| block.parent) else { continue };
        let Some(list) = definition.step(undone).map(|step| step.block) else { continue };
        for reference in site.expression.references() {
            let name = reference.field(0).filter(|_| reference.root == Root::Steps);
            let Some(id) = name.map(StepId::new) else { continue };
            if definition.index_of(&id).is_some_and(|used| definition.is_visible(used, list)) {
                uses.push((undone, id));
            }
        }
    }
    for (undone, id) in uses {
        if let Some(undo) = definition.steps.get_mut(undone.0).and_then(|step| step.undo.as_mut()) {
            undo.uses.insert(id);
        }
    }
}
