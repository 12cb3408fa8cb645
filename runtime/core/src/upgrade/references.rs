//! The outputs that the new definition uses from where a run stands, and those that the run has.
//!
//! Conditions are not evaluated: every branch may be taken. What may be missing
//! in a run that was started with the new definition as well is its author's to
//! mind, and was warned of; here only what is missing because this run has gone
//! another way stands in the way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use petgraph::graph::NodeIndex;
use serde_json::Value;

use super::{Check, ObstacleKind};
use crate::definition::{Definition, StepIndex};
use crate::expression::{Expression, Reference, Root, Segment};
use crate::graph::Graph;
use crate::source::{Places, Site, SiteMoment, sites};
use crate::state::{Activity, RunState};
use crate::{FrameId, StepId};

/// A place from which the run goes on.
struct Place<'a> {
    step: StepIndex,
    /// Whether the step itself is still to begin.
    begins: bool,
    /// The outputs that can be seen from there.
    seen: BTreeMap<&'a StepId, &'a Arc<Value>>,
    /// The steps that are under way there: each has its output when the run comes out of it.
    pending: BTreeSet<StepIndex>,
}

/// From where, nothing for the start, and the step that is not come to.
type Way = (Option<(StepIndex, bool)>, StepIndex);

/// What can be reached without coming to a step.
#[derive(Default)]
struct Reached {
    known: HashMap<Way, Vec<bool>>,
}

impl Check<'_> {
    pub(super) fn references(&mut self) {
        let to = self.to;
        let before = used(&sites(self.from, &Places::default()));
        let (graph, mut reached) = (Graph::of(to), Reached::default());
        let places = places(self.state, to);
        let sites = sites(to, &Places::default());
        for site in &sites {
            for reference in site.expression.references() {
                let Some(step) = output_of(reference, site.expression) else { continue };
                let Some(index) = to.index_of(&step) else { continue };
                // What a step of a graph needs is done before it, by whatever way.
                let in_graph = to.step(index).and_then(|step| to.block(step.block));
                if in_graph.is_some_and(|block| block.is_graph) {
                    continue;
                }
                for from in places.iter().filter(|from| !from.pending.contains(&index)) {
                    if !reached.comes(&graph, Some(from), index, site) {
                        continue;
                    }
                    let known = before.contains(&path_of(reference));
                    self.use_of(site, reference, &step, from.seen.get(&step).copied(), known, || {
                        reached.comes(&graph, None, index, site)
                    });
                }
            }
        }
    }

    /// An output is used where the run can come without making it anew.
    fn use_of(
        &mut self,
        site: &Site<'_>,
        reference: &Reference,
        step: &StepId,
        output: Option<&Arc<Value>>,
        known: bool,
        any_run: impl FnOnce() -> bool,
    ) {
        let user = match site.moment {
            SiteMoment::Before(index) | SiteMoment::After(index) | SiteMoment::Between(index) => {
                self.to.steps.get(index).map(|step| step.id.clone())
            }
            SiteMoment::Start(_) | SiteMoment::End => None,
        };
        let place = if user.is_none() { "`outputs`" } else { "it" };
        let Some(output) = output else {
            if !any_run() {
                let what =
                    format!("{place} uses the output of '{step}', and the run is past '{step}' without it");
                let next = "ask with `is defined` or `default`, or put the step behind where the run stands";
                self.add(ObstacleKind::OutputMissing, user.as_ref(), what, next);
            }
            return;
        };
        // What the old definition used as well was there for it.
        if known {
            return;
        }
        if let Some(field) = absent(output, reference.path.get(2..).unwrap_or_default()) {
            let what =
                format!("{place} uses '{field}' of the output of '{step}', and what is recorded has none");
            let next = "ask with `is defined` or `default`, or use what is recorded";
            self.add(ObstacleKind::OutputUnfit, user.as_ref(), what, next);
        }
    }
}

/// Where the run goes on from.
fn places<'a>(state: &'a RunState, to: &Definition) -> Vec<Place<'a>> {
    let visits = state.active().filter(|(_, visit)| visit.caller.is_none());
    let visits =
        visits.map(|(_, visit)| (&visit.step, visit.frame, matches!(visit.activity, Activity::Queued(_))));
    let held = state.held().iter().map(|held| (&held.step, held.frame, true));
    let place = |(step, frame, begins): (&StepId, FrameId, bool)| {
        let step = to.index_of(step)?;
        let (mut seen, mut pending) = (BTreeMap::new(), BTreeSet::new());
        if !begins {
            pending.insert(step);
        }
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|id| state.frame(id)) {
            for (id, output) in &frame.outputs {
                seen.entry(id).or_insert(output);
            }
            let around = frame.within.as_ref().and_then(|(visit, _)| state.visit(*visit));
            pending.extend(around.and_then(|visit| to.index_of(&visit.step)));
            at = around.map(|visit| visit.frame);
        }
        Some(Place { step, begins, seen, pending })
    };
    visits.chain(held).filter_map(place).collect()
}

impl Reached {
    /// Whether a run comes to a site without coming to a step: from a place, or from the start.
    fn comes(
        &mut self,
        graph: &Graph,
        from: Option<&Place<'_>>,
        without: StepIndex,
        site: &Site<'_>,
    ) -> bool {
        let node = match site.moment {
            SiteMoment::Start(_) => return false,
            SiteMoment::Before(index) | SiteMoment::Between(index) => graph.step(index),
            SiteMoment::After(index) => {
                if from.is_some_and(|from| from.step.0 == index) {
                    return true;
                }
                graph.done(index)
            }
            SiteMoment::End => graph.end(),
        };
        let key = (from.map(|from| (from.step, from.begins)), without);
        let reached = self.known.entry(key).or_insert_with(|| {
            let starts = match from {
                None => vec![graph.start()],
                Some(from) if from.begins => vec![graph.step(from.step.0)],
                Some(from) => {
                    let (step, done) = (graph.step(from.step.0), graph.done(from.step.0));
                    [step, done].into_iter().flat_map(|node| graph.inner().neighbors(node)).collect()
                }
            };
            walk(graph, starts, graph.step(without.0))
        });
        reached[node.index()]
    }
}

fn walk(graph: &Graph, starts: Vec<NodeIndex>, without: NodeIndex) -> Vec<bool> {
    let mut reached = vec![false; graph.inner().node_count()];
    let mut ahead = starts;
    while let Some(node) = ahead.pop() {
        if node != without && !std::mem::replace(&mut reached[node.index()], true) {
            ahead.extend(graph.inner().neighbors(node));
        }
    }
    reached
}

/// The step whose output an expression takes for granted.
fn output_of(reference: &Reference, expression: &Expression) -> Option<StepId> {
    let of_step = |reference: &Reference| {
        (reference.root == Root::Steps).then(|| reference.field(0).map(StepId::new)).flatten()
    };
    let step = of_step(reference).filter(|_| !reference.asks)?;
    let asks = |other: &Reference| other.asks && of_step(other).as_ref() == Some(&step);
    (!expression.references().iter().any(asks)).then_some(step)
}

/// The outputs that a definition uses, with the ways into them.
fn used(sites: &[Site<'_>]) -> HashSet<String> {
    let references = sites.iter().flat_map(|site| site.expression.references());
    references.map(path_of).collect()
}

fn path_of(reference: &Reference) -> String {
    format!("{:?}{:?}", reference.root, reference.path)
}

/// The first field on a way into a value that is not there.
fn absent(value: &Value, path: &[Segment]) -> Option<String> {
    let mut at = value;
    for segment in path {
        let next = match segment {
            Segment::Field(name) => at.get(name).ok_or_else(|| name.clone()),
            Segment::Index(number) => at.get(number).ok_or_else(|| number.to_string()),
            Segment::Dynamic => return None,
        };
        match next {
            Ok(value) => at = value,
            Err(name) => return Some(name),
        }
    }
    None
}
