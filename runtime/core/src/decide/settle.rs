//! What came of a visit: its `catch`, its `finally`, and then the way on or the failure of its frame.

use serde_json::Value;

use super::advance::evaluation_failure;
use super::{Draft, Next};
use crate::definition::StepIndex;
use crate::event::{Entry, Event};
use crate::{Failure, FrameId, VisitId};

impl Draft<'_> {
    /// A visit gave an output; what follows is done after what is decided now.
    pub(super) fn complete_step(&mut self, id: VisitId, output: Value) {
        self.next.push_back(Next::Settle(id, Ok(output)));
    }

    /// A visit failed; what follows is done after what is decided now.
    pub(super) fn fail_step(&mut self, id: VisitId, failure: Failure) {
        self.next.push_back(Next::Settle(id, Err(failure)));
    }

    /// Goes on with what came of a visit.
    pub(super) fn settle(&mut self, id: VisitId, result: Result<Value, Failure>) {
        let Some(visit) = self.state.visit(id).filter(|visit| !visit.is_done()) else { return };
        if let Some((caller, call)) = visit.caller {
            return self.return_to(caller, call, result);
        }
        let Some(step) = self.step_of(id) else { return };
        let (catching, is_final) = match &visit.inside {
            Some(inside) => (inside.catching, inside.outcome.is_some()),
            None => (false, false),
        };
        let (catch, finally) = (step.catch, step.finally);
        match (result, catch, finally) {
            (Err(failure), Some(catch), _) if !catching && !is_final => {
                self.start_frame(id, Entry::Catch { failure }, catch);
            }
            (result, _, Some(finally)) if !is_final => {
                self.start_frame(id, Entry::Finally { outcome: result.map(Into::into) }, finally);
            }
            (Ok(output), ..) => self.end_well(id, output),
            (Err(failure), ..) => self.end_badly(id, failure),
        }
    }

    fn end_well(&mut self, id: VisitId, output: Value) {
        let (Some(index), Some(frame)) = (self.index_of(id), self.state.visit(id).map(|visit| visit.frame))
        else {
            return;
        };
        // What its `catch` did in its place is not what its `undo` undoes.
        let caught = self.state.visit(id).and_then(|at| at.inside.as_ref()).is_some_and(|at| at.catching);
        self.push(Event::StepCompleted { visit: id, output: output.into() });
        if !caught && let Err(failure) = self.keep_for_undo(id) {
            let step = self.definition.step(index).map(|step| step.id.clone());
            return self.fail_frame(frame, failure, step);
        }
        self.go_on_after(id, frame, index);
    }

    /// Goes on in a frame where a completed step leads.
    pub(super) fn go_on_after(&mut self, id: VisitId, frame: FrameId, index: StepIndex) {
        let definition = self.definition;
        if let Some(step) = definition.step(index)
            && let Err(failure) = self.assign(frame, Some(id), &step.vars)
        {
            return self.fail_frame(frame, failure, Some(step.id.clone()));
        }
        if definition.step(index).is_some_and(|step| self.is_in_graph(step)) {
            return self.done_in_graph(frame, index);
        }
        match self.way_on(frame, index) {
            Ok((target, because)) => self.next.push_back(Next::Go(frame, target, because)),
            Err(error) => {
                let step = self.definition.step(index).map(|step| step.id.clone());
                self.fail_frame(frame, evaluation_failure(&error), step);
            }
        }
    }

    fn end_badly(&mut self, id: VisitId, failure: Failure) {
        let Some((frame, step)) = self.state.visit(id).map(|visit| (visit.frame, visit.step.clone())) else {
            return;
        };
        self.push(Event::StepFailed { visit: id, failure: failure.clone() });
        self.fail_frame(frame, failure, Some(step));
    }
}
