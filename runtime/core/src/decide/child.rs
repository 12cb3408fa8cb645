//! Runs that a step starts, waits for and, when it is not needed any more, cancels.

use serde_json::Value;

use super::Draft;
use super::advance::Arrival;
use super::parallel::within;
use crate::budget::Amounts;
use crate::definition::WorkflowStep;
use crate::event::Event;
use crate::expression::EvaluationError;
use crate::refusal::Refusal;
use crate::state::Frame;
use crate::taint::Sources;
use crate::{Failure, FailureKind, FrameId, RunId, VisitId};

impl Draft<'_> {
    pub(super) fn begin_child(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        step: &WorkflowStep,
    ) -> Result<Arrival, EvaluationError> {
        let inputs = step.with.evaluate(&self.scope(frame))?;
        if self.state.is_dry() {
            let message = format!("a dry rehearsal starts no runs: '{}' was not started", step.workflow);
            return Ok(self.came_of(visit, Err(Failure::new(FailureKind::Denied, message))));
        }
        self.taint_visit(frame, visit, &step.with);
        let policy = self.policy_of_child(visit);
        let policy = (!policy.is_empty()).then(|| Box::new(policy));
        let child = RunId::at(self.now, self.entropy.bits());
        let workflow = step.workflow.clone();
        let allowance = self.allowance(visit);
        let inputs = inputs.into();
        self.push(Event::ChildStarted { visit, child, workflow, inputs, policy, allowance });
        Ok(Arrival::Stays)
    }

    /// A run that a step started has ended.
    pub(super) fn end_child(
        &mut self,
        visit: VisitId,
        child: RunId,
        result: Result<Value, Failure>,
        (tainted, spent): (Sources, Amounts),
    ) -> Result<(), Refusal> {
        // What one has used that is not waited for any more was used all the same.
        let settled = self.settle_child_budget(visit, child, spent);
        if self.state.visit(visit).and_then(crate::state::Visit::child) != Some(child) {
            return if settled { Ok(()) } else { Err(Refusal::NotAwaited { child }) };
        }
        self.taint_visit_by(visit, tainted);
        self.push(Event::ChildEnded { visit, child });
        match result {
            Ok(outputs) => self.complete_step(visit, outputs),
            Err(failure) => self.fail_step(visit, within(&format!("run {child}"), &failure)),
        }
        Ok(())
    }

    /// Before an event that ends visits takes the runs that they started
    /// along: their cancelling is a fact of its own, which others are told.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other event ends a visit that waits for a run")]
    pub(super) fn let_go_of_children(&mut self, event: &Event) {
        let ends: Vec<(VisitId, RunId)> = match event {
            Event::RunCompleted { .. }
            | Event::RunFailed { .. }
            | Event::RunCancelled { .. }
            | Event::UndoStarted { .. } => self.state.children().collect(),
            Event::FrameFailed { frame, .. } | Event::FrameCancelled { frame } => {
                self.state.children().filter(|(visit, _)| self.is_within(*visit, *frame)).collect()
            }
            // A step that ran out of time.
            Event::StepFailed { visit, .. } | Event::FrameStarted { visit, .. } => {
                self.state.children().filter(|(id, _)| id == visit).collect()
            }
            _ => return,
        };
        for (visit, child) in ends {
            self.push(Event::ChildCancelled { visit, child });
        }
    }

    fn is_within(&self, visit: VisitId, frame: FrameId) -> bool {
        let mut at = self.state.visit(visit).map(|visit| visit.frame);
        while let Some(id) = at {
            if id == frame {
                return true;
            }
            let around = self.state.frames.get(&id).and_then(|at: &Frame| at.within.as_ref());
            at = around.and_then(|(visit, _)| self.state.visit(*visit)).map(|visit| visit.frame);
        }
        false
    }
}
