//! What is tainted, and by what: a fold, as all of a state is.
//!
//! A visit is tainted as a whole from the first answer of a model on, and so is what it gives. What
//! an expression carries from one value to another is decided, not folded, and recorded as
//! [`Event::Tainted`]; all else follows from the events that are there anyway.

use std::collections::BTreeMap;

use super::{CallProgress, RunState};
use crate::call::CallRequest;
use crate::event::{Event, Payload, Work};
use crate::guard::covers;
use crate::taint::{Reached, Sources, Tainted};
use crate::{Failure, FrameId, VisitId};

/// The tainted values of a run that belong to no visit.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Taints {
    /// Its variables.
    pub(crate) vars: BTreeMap<String, Sources>,
    /// What its agents keep in its memory.
    memory: Sources,
    /// What it gives.
    outputs: Sources,
    /// All that tainted anything in it.
    pub(crate) seen: Sources,
}

impl RunState {
    /// What tainted the inputs. A run that does not follow it says nothing of what it hands to others.
    pub(crate) fn inputs_taint(&self) -> Sources {
        if self.parent.is_some() && !self.policy.follows {
            return Sources::of_a_parent();
        }
        self.policy.tainted.clone()
    }

    /// What tainted that which a run gives, or the failure with which it ended.
    pub(crate) fn outputs_taint(&self, failed: bool) -> Sources {
        if failed { self.taints.seen.clone() } else { self.taints.outputs.clone() }
    }

    /// Takes in what an event taints. It comes first, while what the event ends is still there.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other event brings a value from anywhere")]
    pub(super) fn mind_taint(&mut self, event: &Event) {
        match event {
            Event::Tainted(tainted) => self.reach(tainted),
            Event::AttemptStarted { visit, work: Some(work), .. } => {
                if let Work::Tool { plugin, tool, .. } = &**work {
                    self.taint_by_tool(*visit, &format!("{plugin}.{tool}"));
                }
            }
            Event::CallCompleted { visit, call, request, response, .. } => {
                self.taint_by_call(*visit, *call, request.as_ref(), response);
            }
            Event::TopicHeard { visit, topic, .. } => {
                self.taint(*visit, &Sources::of(format!("the event on {topic}")));
            }
            Event::StepCompleted { visit, .. } | Event::StepFailed { visit, .. } => {
                self.leave_step(*visit, event);
            }
            Event::FrameCompleted { frame } | Event::FrameFailed { frame, .. } => self.leave_frame(*frame),
            Event::VarsSet { vars: Payload::Inline(vars), .. } => {
                let names = vars.as_object().into_iter().flat_map(|vars| vars.keys());
                for name in names {
                    self.taints.vars.remove(name);
                }
            }
            _ => {}
        }
    }

    fn taint(&mut self, id: VisitId, sources: &Sources) {
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.taint.add(sources);
            self.taints.seen.add(sources);
        }
    }

    fn reach(&mut self, Tainted { what, sources }: &Tainted) {
        self.taints.seen.add(sources);
        match what {
            Reached::Visit(visit) => self.taint(*visit, sources),
            Reached::Var(name) => {
                self.taints.vars.entry(name.clone()).or_default().add(sources);
            }
            Reached::Outputs => {
                self.taints.outputs.add(sources);
            }
        }
    }

    fn step_of_visit(&self, id: VisitId) -> &str {
        self.visits.get(&id).map_or("", |visit| visit.step.as_str())
    }

    fn taint_by_tool(&mut self, visit: VisitId, tool: &str) {
        if self.policy.untrusted.iter().any(|pattern| covers(pattern, tool)) {
            let source = format!("tool {tool} in step '{}'", self.step_of_visit(visit));
            self.taint(visit, &Sources::of(source));
        }
    }

    fn taint_by_call(
        &mut self,
        visit: VisitId,
        call: u32,
        request: Option<&CallRequest>,
        response: &Result<Payload, Failure>,
    ) {
        let progress = self.visits.get(&visit).and_then(|at| at.calls.get(call)).map(|state| &state.progress);
        let begun = match progress {
            Some(CallProgress::Running(request) | CallProgress::Unknown(request, _)) => Some(request.clone()),
            Some(CallProgress::Calling(called)) => {
                let taint = self.visits.get(called).map(|called| called.taint.clone()).unwrap_or_default();
                return self.taint(visit, &taint);
            }
            _ => None,
        };
        match request.or(begun.as_ref()) {
            Some(CallRequest::Model { profile, .. }) => {
                let source = format!("model '{profile}' in step '{}'", self.step_of_visit(visit));
                self.taint(visit, &Sources::of(source));
            }
            Some(CallRequest::Tool { name, .. }) => self.taint_by_tool(visit, name),
            Some(CallRequest::MemoryPut { scope: None, .. }) => {
                let taint = self.visits.get(&visit).map(|at| at.taint.clone()).unwrap_or_default();
                self.taints.memory.add(&taint);
            }
            Some(CallRequest::MemoryGet { scope: None, .. }) => {
                let taint = self.taints.memory.clone();
                self.taint(visit, &taint);
            }
            // What other runs put there, this one cannot know.
            Some(CallRequest::MemoryGet { scope: Some(_), .. })
                if response.as_ref().is_ok_and(|value| !value.share().is_null()) =>
            {
                self.taint(visit, &Sources::of("memory that runs share".to_owned()));
            }
            _ => {}
        }
    }

    /// What a step gives is tainted as its visit is, and what it failed with as well.
    fn leave_step(&mut self, id: VisitId, event: &Event) {
        let Some(visit) = self.visits.get(&id) else { return };
        let Some(frame) = self.frames.get_mut(&visit.frame) else { return };
        frame.taint.add(&visit.taint);
        if matches!(event, Event::StepFailed { .. }) {
            return;
        }
        if visit.taint.is_empty() {
            frame.tainted.remove(&visit.step);
        } else {
            frame.tainted.insert(visit.step.clone(), visit.taint.clone());
        }
    }

    /// What came of a list of steps goes to the step around it.
    fn leave_frame(&mut self, id: FrameId) {
        let Some(frame) = self.frames.get(&id) else { return };
        let Some((within, _)) = &frame.within else { return };
        let (within, taint) = (*within, frame.taint.clone());
        self.taint(within, &taint);
    }

    /// What tainted the variables that a name stands for; all of them without one.
    pub(crate) fn vars_taint(&self, name: Option<&str>) -> Sources {
        let mut sources = Sources::default();
        for (var, tainted) in &self.taints.vars {
            if name.is_none_or(|name| name == var) {
                sources.add(tainted);
            }
        }
        sources
    }
}
