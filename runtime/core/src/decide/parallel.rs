//! Several lists of steps at once.

use serde_json::{Map, Value};

use super::Draft;
use crate::definition::{Join, ParallelStep, Verb};
use crate::event::Entry;
use crate::{Failure, VisitId};

impl Draft<'_> {
    pub(super) fn begin_branches(&mut self, visit: VisitId, parallel: &ParallelStep) {
        for (number, (_, block)) in (0..).zip(&parallel.branches) {
            self.start_frame(visit, Entry::Branch(number), *block);
        }
    }

    /// A branch is done or failed: the step goes on when enough are done, and fails when enough can never be.
    pub(super) fn branch_ended(&mut self, id: VisitId) {
        let Some(Verb::Parallel(parallel)) = self.step_of(id).map(|step| &step.verb) else { return };
        let Some(inside) = self.state.visit(id).and_then(|visit| visit.inside.as_ref()) else { return };
        let all = u32::try_from(parallel.branches.len()).unwrap_or(u32::MAX);
        let needed = match parallel.join {
            Join::All => all,
            Join::Some(needed) => needed,
        };
        let mut done = Map::new();
        let mut failures = Vec::new();
        for (number, (name, _)) in (0..).zip(&parallel.branches) {
            match inside.results.get(&number) {
                Some(Ok(output)) => {
                    done.insert(name.clone(), Value::clone(output));
                }
                Some(Err(failure)) => failures.push(within(&format!("branch '{name}'"), failure)),
                None => {}
            }
        }
        if done.len() >= needed as usize {
            self.cancel_frames(id);
            self.complete_step(id, Value::Object(done));
        } else if failures.len() > (all - needed.min(all)) as usize {
            self.cancel_frames(id);
            if let Some(failure) = failures.into_iter().next() {
                self.fail_step(id, failure);
            }
        }
    }
}

/// A failure, with the part of the step that it happened in.
pub(super) fn within(part: &str, failure: &Failure) -> Failure {
    Failure { message: format!("{part}: {}", failure.message), ..failure.clone() }
}
