//! A failed run goes on: the step that failed is tried again, where it failed.
//!
//! What was completed stays, and what the failure cut off beside the step goes
//! on. That is sound only as long as nothing was done in answer to the failure:
//! the failure must have gone straight from the step to the run's end.

use super::attempt::is_at_most_once;
use super::{Draft, Next};
use crate::definition::{Target, Verb};
use crate::event::{Actor, Because, Event, Work};
use crate::refusal::Refusal;
use crate::state::{Activity, Phase, Visit};
use crate::travel::RunRetried;
use crate::{StepId, VisitId};

/// What is said of what the failure cut off in the middle.
const CUT_OFF: &str = "the run failed while it was under way";

impl Draft<'_> {
    pub(super) fn retry(&mut self, step: Option<&StepId>, by: Actor) -> Result<(), Refusal> {
        let visit = self.to_retry(step)?;
        let Some(before) = self.state.wreck().and_then(|wreck| wreck.visits.get(&visit)) else {
            return Err(nothing());
        };
        let again = before.work.is_some() && before.inside.is_none();
        let (frame, step) = (before.frame, before.step.clone());
        if again && before.acted_once && matches!(before.work.as_deref(), Some(Work::Agent { .. })) {
            return Err(Refusal::CannotRetry(format!(
                "the agent of step '{step}' has called an at-most-once tool, and another attempt would call \
                 it again; `pawl fork RUN --at SEQ` goes on from before its failure with what it has done"
            )));
        }
        let moved = self.now.since(self.state.updated_at());
        self.push(Event::RunRetried(Box::new(RunRetried { visit, again, by, moved })));
        self.keep_instants(moved);
        self.doubt(Some(visit), CUT_OFF);
        self.begin_held();
        if again {
            self.attempt_again(visit);
        } else if let Some(index) = self.definition.index_of(&step) {
            self.next.push_back(Next::Go(frame, Target::Step(index), Because::Retried));
        }
        Ok(())
    }

    /// The visit that is to be tried again.
    fn to_retry(&self, step: Option<&StepId>) -> Result<VisitId, Refusal> {
        if !matches!(self.state.phase(), Phase::Failed(_)) {
            let status = self.state.status().name();
            let text = format!("only a failed run can be retried, and this one is {status}");
            return Err(Refusal::CannotRetry(format!("{text}; `pawl rerun RUN` starts it anew")));
        }
        if self.state.has_undone() {
            let text = "the run has undone what it did, so no step of it can be tried again";
            return Err(Refusal::CannotRetry(format!("{text}; `pawl rerun RUN` starts it anew")));
        }
        let wreck = self.state.wreck().ok_or_else(nothing)?;
        let failed = || wreck.failed.iter().filter_map(|id| Some((*id, wreck.visits.get(id)?)));
        let named = |wanted: &StepId| failed().find(|(_, visit)| visit.step == *wanted);
        let steps: Vec<_> = failed().map(|(_, visit)| visit.step.as_str()).collect();
        let (id, visit) = match step {
            Some(step) => named(step).ok_or_else(|| {
                let found = if steps.is_empty() { "no step".to_owned() } else { steps.join(", ") };
                Refusal::CannotRetry(format!(
                    "step '{step}' is not among those that the run failed with; it failed with: {found}"
                ))
            })?,
            None => failed().next().filter(|_| wreck.of_step).ok_or_else(|| between(&steps))?,
        };
        if step.is_none() && self.has_done_steps(visit) {
            return Err(Refusal::CannotRetry(format!(
                "something was done after a step within '{0}' had failed, so that step alone cannot be tried \
                 again; `pawl retry RUN --step {0}` does all of '{0}' again, also what it had completed",
                visit.step
            )));
        }
        Ok(id)
    }

    /// Whether a visit has gone through lists of steps that are the step itself, not its `catch` or `finally`.
    fn has_done_steps(&self, visit: &Visit) -> bool {
        let verb = self.step_named(&visit.step).map(|step| &step.verb);
        matches!(verb, Some(Verb::Parallel(_) | Verb::Map(_) | Verb::Loop(_))) && visit.inside.is_some()
    }

    /// What must happen at most once and was under way when the run stopped goes to a person.
    pub(super) fn doubt(&mut self, except: Option<VisitId>, reason: &str) {
        for id in self.state.active.clone() {
            let Some(visit) = self.state.visit(id).filter(|_| Some(id) != except) else { continue };
            if !matches!(visit.activity, Activity::Attempting) {
                continue;
            }
            if is_at_most_once(visit) {
                self.ask_about_step(id, reason.to_owned());
                continue;
            }
            for call in visit.calls.running() {
                self.ask_about_call(id, call, reason.to_owned());
            }
        }
    }
}

fn nothing() -> Refusal {
    let text = "the run did not fail at a step; `pawl fork RUN --at SEQ` goes on from an earlier place";
    Refusal::CannotRetry(text.to_owned())
}

/// The failure was that of a condition, of an output, or of a limit.
fn between(steps: &[&str]) -> Refusal {
    if steps.is_empty() {
        return nothing();
    }
    Refusal::CannotRetry(format!(
        "the run failed between two steps; `pawl retry RUN --step STEP` does one of these again, also what it had \
         completed: {}",
        steps.join(", ")
    ))
}
