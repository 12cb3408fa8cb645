//! Outputs that are missing on some way to the place where they are used.
//!
//! Conditions are not evaluated: every `if` may hold or not, every branch may
//! be taken. So this can only warn, and it keeps quiet where the expression, or
//! the `if` of a step around it, asks whether the output is there.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;

use super::sites::{Moment, Site};
use crate::definition::{Definition, Join, Role, Step, StepIndex, Verb};
use crate::expression::{Expression, Reference, Root};
use crate::graph::Graph;

/// What is known of the ways past steps.
pub(super) struct Maybe<'d> {
    definition: &'d Definition,
    graph: &'d Graph,
    /// What can be reached from the start without coming to a step.
    past: HashMap<StepIndex, Vec<bool>>,
}

impl<'d> Maybe<'d> {
    pub(super) fn new(definition: &'d Definition, graph: &'d Graph) -> Self {
        Self { definition, graph, past: HashMap::new() }
    }

    /// Why the output of a step may be missing where an expression uses it.
    pub(super) fn missing(
        &mut self,
        site: &Site<'_>,
        reference: &Reference,
        used: StepIndex,
    ) -> Option<String> {
        let definition = self.definition;
        let step = definition.step(used)?;
        if reference.asks || asks(site.expression, step) {
            return None;
        }
        let around = around(definition, site);
        let is_condition = site.pointer.ends_with("/if");
        // The `if` of the step itself is what is evaluated; those around it held.
        let held = around
            .iter()
            .skip(usize::from(is_condition))
            .filter_map(|index| definition.step(*index).and_then(|step| step.condition.as_ref()));
        if held.clone().any(|condition| asks(condition, step)) {
            return None;
        }
        let same = |condition: &Expression| {
            held.clone().any(|other| other.source().trim() == condition.source().trim())
        };
        match &step.condition {
            Some(condition) if !same(condition) => {
                return Some(format!("it is skipped unless `{}`", condition.source().trim()));
            }
            Some(_) | None => {}
        }
        self.passed(site, used, step).or_else(|| unneeded(reference, step))
    }

    /// How a run comes to the place without having come to the step.
    fn passed(&mut self, site: &Site<'_>, used: StepIndex, step: &Step) -> Option<String> {
        let definition = self.definition;
        let index = match site.moment {
            Moment::Start(_) => return None,
            Moment::End => return self.leads_past(used, self.graph.end()),
            Moment::Between(index) if site.block(definition) == step.block => {
                let counts = |reference: &Reference| matches!(reference.root, Root::Index | Root::Vars);
                let first = !site.expression.references().iter().any(counts);
                let name = definition.step(StepIndex(index)).map(|step| &step.id);
                return name
                    .filter(|_| first)
                    .map(|_| "`while` is looked at before the first turn".to_owned());
            }
            Moment::Before(index) | Moment::After(index) | Moment::Between(index) => StepIndex(index),
        };
        let holder = definition.ancestor_in(step.block, index)?;
        if holder != used {
            return self.leads_past(used, self.graph.step(holder.0));
        }
        let own = |block: &&crate::definition::Block| block.parent == Some(used);
        let undoes =
            definition.around(site.block(definition)).find(own).is_some_and(|b| b.role == Role::Undo);
        let done = undoes || (index == used && matches!(site.moment, Moment::After(_)));
        (!done).then(|| "it is not done yet, unless it was visited before".to_owned())
    }

    fn leads_past(&mut self, used: StepIndex, to: NodeIndex) -> Option<String> {
        // What a step of a graph needs is done, by whatever way.
        let block = self.definition.step(used).and_then(|step| self.definition.block(step.block))?;
        if block.is_graph {
            return None;
        }
        let (graph, without) = (self.graph, self.graph.step(used.0));
        let past = self.past.entry(used).or_insert_with(|| {
            let inner = graph.inner();
            let mut reached = vec![false; inner.node_count()];
            let mut ahead = vec![graph.start()];
            while let Some(node) = ahead.pop() {
                if node != without && !std::mem::replace(&mut reached[node.index()], true) {
                    ahead.extend(inner.neighbors(node));
                }
            }
            reached
        });
        past[to.index()].then(|| "there is a way past it".to_owned())
    }
}

/// Whether an expression asks for the output of a step.
fn asks(expression: &Expression, step: &Step) -> bool {
    let asks = |reference: &Reference| {
        reference.asks && reference.root == Root::Steps && reference.field(0) == Some(step.id.as_str())
    };
    expression.references().iter().any(asks)
}

/// The step of an expression and the steps around it, the innermost first.
fn around(definition: &Definition, site: &Site<'_>) -> Vec<StepIndex> {
    let mut at = match site.moment {
        Moment::Before(index) | Moment::After(index) | Moment::Between(index) => Some(StepIndex(index)),
        Moment::Start(_) | Moment::End => None,
    };
    let mut around = Vec::new();
    while let Some(index) = at {
        around.push(index);
        at = definition.step(index).and_then(|step| definition.block(step.block)?.parent);
    }
    around
}

/// A branch of a `parallel` that may be stopped.
fn unneeded(reference: &Reference, step: &Step) -> Option<String> {
    let Verb::Parallel(parallel) = &step.verb else { return None };
    let Join::Some(needed) = parallel.join else { return None };
    let branch = reference.field(2)?;
    let known = parallel.branches.iter().any(|(name, _)| name == branch);
    let all = u32::try_from(parallel.branches.len()).unwrap_or(u32::MAX);
    (known && needed < all && step.catch.is_none()).then(|| {
        format!("only {needed} of its {all} branches must be done, and '{branch}' may not be one of them")
    })
}
