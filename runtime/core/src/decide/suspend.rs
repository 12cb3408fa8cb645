//! An operator stops a run, and lets it go on.

use super::{Draft, Next};
use crate::definition::{Target, Verb, WaitStep};
use crate::event::{Actor, Because, Event};
use crate::refusal::Refusal;
use crate::state::Activity;
use crate::travel::{RunResumed, RunSuspended, StepHeld};
use crate::{Duration, Failure, FailureKind, FrameId, StepId, Timestamp, VisitId};

impl Draft<'_> {
    pub(super) fn suspend(&mut self, by: Actor, reason: Option<String>) -> Result<(), Refusal> {
        if let Some(suspension) = &self.state.suspension {
            let (by, since) = (&suspension.by, suspension.since);
            return Err(Refusal::CannotSuspend(format!(
                "{by} suspended the run at {since}; `pawl resume RUN` goes on with it"
            )));
        }
        self.push(Event::RunSuspended(Box::new(RunSuspended { by, reason })));
        Ok(())
    }

    pub(super) fn resume(&mut self, by: Actor) -> Result<(), Refusal> {
        let Some(suspension) = &self.state.suspension else {
            let text = "the run is not suspended; `pawl show RUN` tells what it waits for";
            return Err(Refusal::CannotSuspend(text.to_owned()));
        };
        let moved = self.now.since(suspension.since);
        self.push(Event::RunResumed(Box::new(RunResumed { by, moved })));
        self.keep_instants(moved);
        self.begin_held();
        Ok(())
    }

    /// A step would begin; it waits until the run is resumed.
    pub(super) fn hold(&mut self, frame: FrameId, step: StepId, because: Because) {
        self.push(Event::StepHeld(Box::new(StepHeld { step, because, frame })));
    }

    /// Begins what was held back.
    pub(super) fn begin_held(&mut self) {
        for held in self.state.held.clone() {
            if let Some(index) = self.definition.index_of(&held.step) {
                self.next.push_back(Next::Go(held.frame, Target::Step(index), held.because));
            }
        }
    }

    /// A wait until an instant is not put off by the time in which the run stood still.
    pub(super) fn keep_instants(&mut self, moved: Duration) {
        let waits = self.state.active().filter_map(|(id, visit)| {
            let Activity::Waiting(until) = visit.activity else { return None };
            let step = self.step_named(&visit.step)?;
            matches!(step.verb, Verb::Wait(WaitStep::Until(_))).then_some((id, until))
        });
        for (visit, until) in waits.collect::<Vec<_>>() {
            let until = Timestamp(until.0.saturating_sub(moved.0));
            self.push(Event::WaitStarted { visit, until });
        }
    }

    /// A person says that something is to be tried, or tried again, while nothing may begin.
    pub(super) fn attempt_when_resumed(&mut self, id: VisitId, why: &str) {
        let Some(attempt) = self.state.visit(id).map(|visit| visit.attempt) else { return };
        let failure = Failure::new(FailureKind::Rejected, why);
        self.push(Event::AttemptFailed { visit: id, attempt, failure, retry_at: Some(self.now) });
    }
}
