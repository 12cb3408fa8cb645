//! From one step to the next within a list of steps, and the end of the run.

use serde_json::{Map, Value};

use super::{Draft, Next};
use crate::definition::{Branch, Step, StepIndex, Target, Then};
use crate::event::{Because, Event};
use crate::expression::{EvaluationError, Expression, Scope};
use crate::{Failure, FailureKind, FrameId, StepId, VisitId};

/// What came of arriving at a step.
pub(super) enum Arrival {
    /// Something is under way, waited for, or in the queue.
    Stays,
    /// Done at once; the frame goes on there.
    Leads(Target, Because),
    /// It cannot be gone to, and its frame fails.
    Fails(Failure),
}

impl Draft<'_> {
    /// Does what follows, and what follows from that, until everything waits
    /// or the run has ended. Limits of visits bound every circle.
    pub(super) fn settle_all(&mut self) {
        while let Some(next) = self.next.pop_front() {
            if !self.state.is_open() {
                self.next.clear();
                return;
            }
            match next {
                Next::Go(frame, target, because) => self.go(frame, target, because),
                Next::Settle(visit, result) => self.settle(visit, result),
            }
        }
    }

    fn go(&mut self, frame: FrameId, target: Target, because: Because) {
        let (mut target, mut because) = (target, because);
        // A frame that ended meanwhile goes nowhere.
        while self.state.frames.contains_key(&frame) {
            let definition = self.definition;
            let Target::Step(index) = target else { return self.complete_frame(frame) };
            let Some(step) = definition.step(index) else { return self.complete_frame(frame) };
            if self.state.is_suspended() {
                return self.hold(frame, step.id.clone(), because);
            }
            match self.arrive(frame, step, because) {
                Arrival::Stays => return,
                Arrival::Leads(..) if self.is_in_graph(step) => return self.done_in_graph(frame, index),
                Arrival::Leads(next, why) => (target, because) = (next, why),
                Arrival::Fails(failure) => return self.fail_frame(frame, failure, Some(step.id.clone())),
            }
        }
    }

    /// The step with an id, of any list.
    pub(super) fn step_named(&self, id: &StepId) -> Option<&'_ Step> {
        self.definition.index_of(id).and_then(|index| self.definition.step(index))
    }

    pub(super) fn index_of(&self, id: VisitId) -> Option<StepIndex> {
        self.state.visit(id).and_then(|visit| self.definition.index_of(&visit.step))
    }

    /// The step of a visit.
    pub(super) fn step_of(&self, id: VisitId) -> Option<&'_ Step> {
        self.index_of(id).and_then(|index| self.definition.step(index))
    }

    /// Where a step that is done leads.
    pub(super) fn way_on(
        &self,
        frame: FrameId,
        index: StepIndex,
    ) -> Result<(Target, Because), EvaluationError> {
        let Some(step) = self.definition.step(index) else { return Ok((Target::End, Because::Next)) };
        let below = step.below.map_or(Target::End, Target::Step);
        match &step.then {
            Then::Next => Ok((below, Because::Next)),
            Then::To(target) => Ok((*target, Because::Then)),
            Then::Choose(branches) => {
                for (number, Branch { when, to }) in (0..).zip(branches) {
                    if open(when.as_ref(), &self.scope(frame))? {
                        return Ok((*to, Because::Branch(number)));
                    }
                }
                Ok((below, Because::Next))
            }
        }
    }

    /// The workflow's own list is done.
    pub(super) fn complete_run(&mut self) {
        match self.outputs() {
            Ok(outputs) => {
                self.taint_outputs();
                self.push(Event::RunCompleted { outputs: outputs.into() });
            }
            Err(failure) => self.fail_run(failure, None),
        }
    }

    fn outputs(&self) -> Result<Value, Failure> {
        let scope = self.scope(FrameId::ROOT);
        let mut outputs = Map::new();
        for (name, output) in &self.definition.outputs {
            let value = output.value.evaluate(&scope).map_err(|error| evaluation_failure(&error))?;
            let problems = output.schema.as_ref().map(|schema| schema.problems(&value)).unwrap_or_default();
            if !problems.is_empty() {
                let message = format!("output '{name}' is not as declared: {}", problems.join("; "));
                return Err(Failure::new(FailureKind::InvalidInput, message));
            }
            outputs.insert(name.clone(), value);
        }
        Ok(Value::Object(outputs))
    }
}

/// Whether a way is open: it has no condition, or one that holds.
pub(super) fn open(when: Option<&Expression>, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
    when.map_or(Ok(true), |condition| condition.holds(scope))
}

pub(super) fn evaluation_failure(error: &EvaluationError) -> Failure {
    Failure::new(FailureKind::InvalidInput, error.to_string())
}
