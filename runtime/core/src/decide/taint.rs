//! How a taint goes from one value to another: along the expressions that make values.
//!
//! An expression is looked at for what it names, not for what it does, so a value counts as tainted
//! that only might be. Which way a run takes is not a value: a condition taints nothing.

use super::Draft;
use crate::definition::{Assignments, Output};
use crate::event::Event;
use crate::expression::{Reference, Root, Template};
use crate::state::Frame;
use crate::taint::{Reached, Sources, Tainted};
use crate::{FrameId, StepId, VisitId};

impl Draft<'_> {
    /// Whether anybody asks for what is tainted; without, nothing is recorded of it.
    pub(super) fn follows_taint(&self) -> bool {
        let policy = &self.state.policy;
        policy.follows || self.definition.asks_for_taint || policy.approvals.iter().any(|rule| rule.tainted)
    }

    /// A visit works on, or gives, what a value with expressions makes.
    pub(super) fn taint_visit(&mut self, frame: FrameId, visit: VisitId, template: &Template) {
        if self.follows_taint() {
            self.taint_visit_by(visit, self.sources_of_value(frame, template));
        }
    }

    pub(super) fn taint_visit_by(&mut self, visit: VisitId, sources: Sources) {
        let known = self.state.visit(visit).map(|visit| visit.taint.clone()).unwrap_or_default();
        if self.follows_taint() && known.clone().add(&sources) {
            self.push(Event::Tainted(Box::new(Tainted { what: Reached::Visit(visit), sources })));
        }
    }

    fn sources_of_value(&self, frame: FrameId, template: &Template) -> Sources {
        let mut sources = Sources::default();
        for used in template.uses() {
            sources.add(&self.sources_of(frame, used.expression.references()));
        }
        sources
    }

    /// What tainted the values that these name.
    pub(super) fn sources_of(&self, frame: FrameId, references: &[Reference]) -> Sources {
        let mut sources = Sources::default();
        for reference in references {
            match &reference.root {
                Root::Inputs => sources.add(&self.state.inputs_taint()),
                Root::Vars => sources.add(&self.state.vars_taint(reference.field(0))),
                Root::Steps => sources.add(&self.outputs_taint(frame, reference.field(0))),
                // They come from the steps around: from what a `map` goes through, from what failed.
                Root::Item | Root::Error | Root::Local(_) => sources.add(&self.taint_around(frame)),
                Root::Run | Root::Index => false,
            };
        }
        sources
    }

    /// The frames outwards from one, itself first.
    fn frames_around(&self, frame: FrameId) -> impl Iterator<Item = &Frame> {
        let outer = |frame: &Frame| {
            let (visit, _) = frame.within.as_ref().filter(|_| frame.kept.is_none())?;
            self.state.frames.get(&self.state.visit(*visit)?.frame)
        };
        std::iter::successors(self.state.frames.get(&frame), move |frame| outer(frame))
    }

    fn outputs_taint(&self, frame: FrameId, step: Option<&str>) -> Sources {
        let mut sources = Sources::default();
        let step = step.map(StepId::new);
        for frame in self.frames_around(frame) {
            // What an `undo` sees was kept of frames that may be gone.
            if frame.kept.is_some() {
                sources.add(&self.state.taints.seen);
            }
            let named = frame.tainted.iter().filter(|(id, _)| step.as_ref().is_none_or(|step| step == *id));
            for (_, tainted) in named {
                sources.add(tainted);
            }
        }
        sources
    }

    fn taint_around(&self, frame: FrameId) -> Sources {
        let mut sources = Sources::default();
        for frame in self.frames_around(frame) {
            if frame.kept.is_some() {
                sources.add(&self.state.taints.seen);
            }
            let visit = frame.within.as_ref().and_then(|(visit, _)| self.state.visit(*visit));
            if let Some(visit) = visit {
                sources.add(&visit.taint);
            }
        }
        sources
    }

    /// What taints the variables that are assigned, in their order: a later one may use those before.
    pub(super) fn sources_of_vars(
        &self,
        frame: FrameId,
        assignments: &Assignments,
    ) -> Vec<(String, Sources)> {
        let mut found: Vec<(String, Sources)> = Vec::new();
        if !self.follows_taint() {
            return found;
        }
        for (name, template) in assignments {
            let mut sources = self.sources_of_value(frame, template);
            for (before, tainted) in &found {
                let mut uses = template.uses().into_iter();
                let names = |reference: &Reference| {
                    reference.root == Root::Vars && reference.field(0).is_none_or(|field| field == before)
                };
                if uses.any(|used| used.expression.references().iter().any(names)) {
                    sources.add(tainted);
                }
            }
            found.push((name.clone(), sources));
        }
        found.retain(|(_, sources)| !sources.is_empty());
        found
    }

    pub(super) fn taint_vars(&mut self, tainted: Vec<(String, Sources)>) {
        for (name, sources) in tainted {
            self.push(Event::Tainted(Box::new(Tainted { what: Reached::Var(name), sources })));
        }
    }

    /// What the run gives, where another run waits for it.
    pub(super) fn taint_outputs(&mut self) {
        if self.state.parent.is_none() || !self.follows_taint() {
            return;
        }
        let mut sources = Sources::default();
        for Output { value, .. } in self.definition.outputs.values() {
            sources.add(&self.sources_of_value(FrameId::ROOT, value));
        }
        if !sources.is_empty() {
            self.push(Event::Tainted(Box::new(Tainted { what: Reached::Outputs, sources })));
        }
    }
}
