//! An attempt gave a result, or its time is up.

use std::sync::Arc;

use super::Draft;
use crate::call::CallResponse;
use crate::command::AnsweredCall;
use crate::event::{Event, LogLine, Work};
use crate::plugin::EffectClass;
use crate::refusal::Refusal;
use crate::state::{Activity, Visit};
use crate::{Failure, VisitId};

impl Draft<'_> {
    pub(super) fn end_attempt(
        &mut self,
        visit: VisitId,
        attempt: u32,
        result: CallResponse,
        silent: Vec<AnsweredCall>,
        log: Vec<LogLine>,
    ) -> Result<(), Refusal> {
        self.under_way(visit, attempt)?;
        self.record_silent(visit, silent)?;
        if !log.is_empty() {
            self.push(Event::ToolLogged { visit, attempt, lines: log });
        }
        self.settle_attempt_budget(visit);
        match result {
            Ok(output) => self.complete_step(visit, output),
            Err(failure) => self.fail_attempt(visit, failure, true),
        }
        Ok(())
    }

    /// The visit, if this attempt of it is the one under way.
    pub(super) fn under_way(&self, visit: VisitId, attempt: u32) -> Result<&Visit, Refusal> {
        self.state
            .visit(visit)
            .filter(|at| at.attempt == attempt && matches!(at.activity, Activity::Attempting))
            .ok_or(Refusal::Stale { visit, attempt })
    }

    /// After a failed attempt: another one later, where there may be one; a person; or the step fails.
    pub(super) fn fail_attempt(&mut self, id: VisitId, failure: Failure, again: bool) {
        let Some(visit) = self.state.visit(id) else { return };
        let attempt = visit.attempt;
        self.settle_attempt_budget(id);
        let Some(visit) = self.state.visit(id) else { return };
        if failure.kind.leaves_outcome_open() && is_at_most_once(visit) {
            return self.ask_about_step(id, failure.message);
        }
        let running = self.state.running_within(id);
        if !running.is_empty() {
            for (visit, call) in running {
                self.ask_about_call(visit, call, failure.message.clone());
            }
            return;
        }
        // Another attempt of an agent makes its calls anew, which must not be done to these.
        // What becomes of an agent that was called is its caller's to decide.
        let repeatable = again && !visit.acted_once && visit.caller.is_none();
        if let Some(failed) = self.gives_way(id, &failure).filter(|_| repeatable) {
            self.push(Event::AttemptFailed { visit: id, attempt, failure, retry_at: None });
            self.push(Event::RouteReopened { visit: id, failed: Some(failed) });
            return;
        }
        let retry = self.step_of(id).filter(|_| repeatable).map(|step| step.retry.clone());
        let fraction = self.entropy.fraction();
        // Who asked for another attempt asked for its retries, too.
        let count = attempt.saturating_sub(visit.attempts_before);
        let pause = retry.and_then(|retry| retry.pause(count, &failure, fraction));
        let retry_at = pause.map(|pause| self.later(pause));
        self.push(Event::AttemptFailed { visit: id, attempt, failure: failure.clone(), retry_at });
        if retry_at.is_none() {
            self.fail_step(id, failure);
        }
    }

    /// The same work once more, perhaps by another plugin.
    pub(super) fn attempt_again(&mut self, id: VisitId) {
        if self.route_again(id) {
            return;
        }
        let next = self.state.visit(id).map(|visit| visit.attempt.saturating_add(1));
        if let Some(attempt) = next {
            self.start_attempt(id, attempt, None);
        }
    }

    /// The same attempt from the start: the time in which no process worked on it was not its own.
    pub(super) fn attempt_afresh(&mut self, id: VisitId) {
        if let Some(attempt) = self.state.visit(id).map(|visit| visit.attempt) {
            self.start_attempt(id, attempt, None);
        }
    }

    /// The next attempt, with other work where there is some.
    pub(super) fn start_attempt(&mut self, id: VisitId, attempt: u32, work: Option<Box<Work>>) {
        // The time of an agent that was called is its caller's.
        let called = self.state.visit(id).is_some_and(|visit| visit.caller.is_some());
        let timeout = self.step_of(id).filter(|_| !called).and_then(|step| step.timeout.attempt);
        let deadline = timeout.map(|timeout| self.now.after(timeout));
        self.begin_attempt(id, Event::AttemptStarted { visit: id, attempt, work, deadline });
    }
}

/// Whether an attempt of this visit must not be repeated without a person.
pub(super) fn is_at_most_once(visit: &Visit) -> bool {
    match visit.work.as_ref().map(Arc::as_ref) {
        Some(Work::Tool { effect, .. }) => *effect == EffectClass::AtMostOnce,
        Some(Work::Agent { .. }) | None => false,
    }
}
