//! What decided events add to the numbers, once they are durable.

use pawl_core::definition::Definition;
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{Duration, RunState, VisitId};

use super::histogram::LONG_SECONDS;
use super::{ENDS, Metrics, OUTCOMES, VERBS};

/// Something that is counted when the commit that it is in is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    Started,
    Ended(Status),
    Step { verb: &'static str, outcome: &'static str, took: Duration },
}

impl Tally {
    /// What an event adds; the state has taken it in.
    pub(crate) fn of(event: &Event, state: &RunState, definition: &Definition) -> Option<Self> {
        let step = |visit: &VisitId, outcome| {
            let visit = state.visit(*visit)?;
            let verb = definition.step(definition.index_of(&visit.step)?)?.verb.name();
            let took = visit.ended_at.unwrap_or(visit.started_at).since(visit.started_at);
            Some(Self::Step { verb, outcome, took })
        };
        match event {
            Event::RunStarted(_) => Some(Self::Started),
            Event::StepCompleted { visit, .. } => step(visit, "completed"),
            Event::StepFailed { visit, .. } => step(visit, "failed"),
            Event::StepSkipped { visit, .. } => step(visit, "skipped"),
            Event::RunCompleted { .. } => Some(Self::Ended(Status::Completed)),
            Event::RunFailed { .. } => Some(Self::Ended(Status::Failed)),
            Event::RunCancelled { .. } => Some(Self::Ended(Status::Cancelled)),
            _ => None,
        }
    }
}

impl Metrics {
    /// Counts what has become durable of a run of this workflow.
    pub(crate) fn count(&self, workflow: &str, tallies: impl Iterator<Item = Tally>) {
        let mut of = None;
        for tally in tallies {
            let of = of.get_or_insert_with(|| self.workflows.of(workflow));
            match tally {
                Tally::Started => of.started.add(1),
                Tally::Ended(status) => {
                    if let Some(place) = ENDS.iter().position(|name| *name == status.name()) {
                        of.ended[place].add(1);
                    }
                }
                Tally::Step { verb, outcome, took } => {
                    let verb = VERBS.iter().position(|name| *name == verb);
                    let outcome = OUTCOMES.iter().position(|name| *name == outcome);
                    let (Some(verb), Some(place)) = (verb, outcome) else { continue };
                    of.steps[verb][place].add(1);
                    self.steps[verb].record(&LONG_SECONDS, std::time::Duration::from_millis(took.0));
                }
            }
        }
    }
}
