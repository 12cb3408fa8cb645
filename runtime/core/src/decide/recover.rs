//! After a crash: what was under way goes on, unless it must not be repeated.

use super::Draft;
use super::attempt::is_at_most_once;
use crate::VisitId;
use crate::state::Activity;

const REASON: &str = "pawl stopped while it was under way";

impl Draft<'_> {
    /// Attempts of `pure` and `idempotent` tools and of agents need no event:
    /// they are under way again as soon as their effects are carried out. An
    /// `at-most-once` tool that was under way goes to a person.
    pub(super) fn recover(&mut self) {
        let active: Vec<VisitId> = self.state.active.clone();
        for id in active {
            let Some(visit) = self.state.visit(id) else { continue };
            if !matches!(visit.activity, Activity::Attempting) {
                continue;
            }
            let running = visit.calls.running();
            // What a person allowed while the run stood still was never begun.
            let held = self.state.suspension.as_ref().is_some_and(|at| visit.attempt_at > at.since);
            if held && visit.calls.is_empty() {
                continue;
            }
            // What waits for a person is not under way, and is not told of again each time the run is read.
            self.recover_budget(id);
            let Some(visit) = self.state.visit(id) else { continue };
            if is_at_most_once(visit) {
                self.ask_about_step(id, REASON.to_owned());
            } else if !running.is_empty() {
                for call in running {
                    self.ask_about_call(id, call, REASON.to_owned());
                }
            } else if visit.calls.is_empty() && visit.deadline.is_some_and(|deadline| deadline <= self.now) {
                self.attempt_afresh(id);
            }
        }
    }
}
