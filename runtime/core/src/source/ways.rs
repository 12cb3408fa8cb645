//! Which ways a run can take: steps that nothing leads to, outputs that can never be there.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;
use petgraph::visit::Dfs;

use super::Places;
use super::lower::within;
use super::maybe::Maybe;
use super::sites::{Moment, Site, sites};
use super::tree::Span;
use crate::StepId;
use crate::definition::{Definition, StepIndex};
use crate::diagnostic::{Code, Diagnostics};
use crate::expression::{Reference, Root};
use crate::graph::Graph;

/// Reports unreachable steps, and references that no way makes possible.
pub(super) fn check(definition: &Definition, places: &Places, problems: &mut Diagnostics) {
    let graph = Graph::of(definition);
    let mut ways = Ways { graph: &graph, after: HashMap::new() };
    let mut maybe = Maybe::new(definition, &graph);
    let first = graph.start();
    for (index, step) in definition.steps.iter().enumerate() {
        if !ways.leads(first, graph.step(index)) {
            let span = places.value(&format!("{}/id", places.step(index)));
            let message = format!("no way leads to the step '{}'", step.id);
            let help = "jump to it from somewhere, or remove it".to_owned();
            problems.push(Code::UnreachableStep, span, message, "", Some(help));
        }
    }
    for site in sites(definition, places) {
        for reference in site.expression.references() {
            // What stands in a list that is over was reported as such.
            let visible = |index: &StepIndex| definition.is_visible(*index, site.block(definition));
            let name = reference.field(0).filter(|_| reference.root == Root::Steps);
            let Some(from) = name.and_then(|name| definition.index_of(&StepId::new(name))) else { continue };
            if !visible(&from) {
                continue;
            }
            if let Some(user) = not_needed(definition, &site, from) {
                let (name, user) = (name.unwrap_or_default(), &definition.steps[user.0].id);
                let message = format!("the step '{name}' may not be done here: '{user}' does not need it");
                let help = format!("add '{name}' to the `needs` of '{user}'");
                let span = place(places, problems, &site, reference);
                problems.push(Code::NotNeeded, span, message, "", Some(help));
                continue;
            }
            let possible = match site.moment {
                Moment::After(index) => index == from.0 || ways.leads(graph.done(from.0), graph.step(index)),
                Moment::Before(index) => ways.leads(graph.done(from.0), graph.step(index)),
                // There are no steps yet, which was reported as such.
                Moment::Start(_) | Moment::Between(_) => true,
                Moment::End => ways.leads(graph.done(from.0), graph.end()),
            };
            let name = name.unwrap_or_default();
            if possible {
                if let Some(why) = maybe.missing(&site, reference, from) {
                    let span = place(places, problems, &site, reference);
                    let help =
                        format!("{why}; ask with `steps.{name}.output is defined`, or give a `default(…)`");
                    let message = format!("the output of '{name}' may not be there");
                    problems.push(Code::MayBeMissing, span, message, "", Some(help));
                }
                continue;
            }
            let span = place(places, problems, &site, reference);
            let message = format!("the step '{name}' can never have run here");
            let help = match site.moment {
                Moment::End => format!("no way leads from '{name}' to the end of the workflow"),
                Moment::Before(index) if index == from.0 => {
                    "a step has its output only when it is done; use it in `then` or below".to_owned()
                }
                Moment::Start(_) | Moment::Before(_) | Moment::After(_) | Moment::Between(_) => {
                    format!("no way leads from '{name}' to this step")
                }
            };
            problems.push(Code::NeverRanBefore, span, message, "", Some(help));
        }
    }
}

fn place(places: &Places, problems: &Diagnostics, site: &Site<'_>, reference: &Reference) -> Span {
    let holder = places.value(&site.pointer);
    within(&problems.text, &holder, site.expression.source(), &reference.range)
}

/// The step of a graph in which an expression stands and which does not need the one that it uses.
fn not_needed(definition: &Definition, site: &Site<'_>, used: StepIndex) -> Option<StepIndex> {
    let index = match site.moment {
        Moment::Before(index) | Moment::After(index) | Moment::Between(index) => StepIndex(index),
        Moment::Start(_) | Moment::End => return None,
    };
    let list = definition.step(used)?.block;
    let is_graph = definition.block(list)?.is_graph;
    let holder = definition.ancestor_in(list, index).filter(|holder| is_graph && *holder != used)?;
    (!definition.all_needs(holder).contains(&used)).then_some(holder)
}

struct Ways<'g> {
    graph: &'g Graph,
    /// What can come after a node, in at least one move.
    after: HashMap<NodeIndex, Vec<bool>>,
}

impl Ways<'_> {
    fn leads(&mut self, from: NodeIndex, to: NodeIndex) -> bool {
        let graph = self.graph.inner();
        let after = self.after.entry(from).or_insert_with(|| {
            let mut reached = vec![false; graph.node_count()];
            for next in graph.neighbors(from) {
                if reached[next.index()] {
                    continue;
                }
                let mut search = Dfs::new(graph, next);
                while let Some(node) = search.next(graph) {
                    reached[node.index()] = true;
                }
            }
            reached
        });
        after[to.index()]
    }
}
