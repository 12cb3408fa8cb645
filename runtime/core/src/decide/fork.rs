//! A forked run goes its own way from the place where it was taken from another.

use super::Draft;
use crate::event::{Event, Work};
use crate::fork::{Place, Restart};
use crate::plugin::PluginPins;
use crate::state::Activity;
use crate::travel::{InputsChanged, OutputChanged, RunForked};
use crate::{Failure, FailureKind, VisitId};

impl Draft<'_> {
    pub(super) fn fork(&mut self, restart: Restart) {
        let Restart { from, by, place, inputs, outputs, agents, rehearsal, trace } = restart;
        let moved = self.now.since(self.state.updated_at());
        let replaced = agents.clone();
        let forked = RunForked { by: by.clone(), moved, agents, rehearsal, trace };
        self.push(Event::RunForked(Box::new(forked)));
        self.keep_instants(moved);
        if let Some(inputs) = inputs {
            let changed = InputsChanged { inputs: inputs.into(), by: by.clone() };
            self.push(Event::InputsChanged(Box::new(changed)));
        }
        for (frame, step, output) in outputs {
            let changed = OutputChanged { frame, step, output: output.into(), by: by.clone() };
            self.push(Event::OutputChanged(Box::new(changed)));
        }
        self.begin_anew(&replaced);
        self.doubt(None, &format!("run {from} had begun it at the place of the fork"));
        self.begin_held();
        match place {
            Place::Start => self.begin_run(),
            Place::After(visit) => {
                if let (Some(at), Some(index)) = (self.state.visit(visit), self.index_of(visit)) {
                    let frame = at.frame;
                    self.go_on_after(visit, frame, index);
                }
            }
            Place::Rest => {}
        }
    }

    /// Attempts of agents that are others now begin from the top, without the calls that the ones before them made.
    fn begin_anew(&mut self, agents: &PluginPins) {
        let active: Vec<VisitId> = self.state.active().map(|(id, _)| id).collect();
        for id in active {
            // One that another agent had called is gone when that one has begun anew.
            let Some(visit) = self.state.visit(id) else { continue };
            let Some(Work::Agent { agent, input, memory, .. }) = visit.work.as_deref() else { continue };
            let Some(pin) = agents.get(agent) else { continue };
            let work = Work::Agent {
                agent: agent.clone(),
                component: pin.component,
                input: input.clone(),
                memory: memory.clone(),
            };
            let attempt = visit.attempt;
            match visit.activity {
                Activity::Attempting => {
                    let message = format!("another component of '{agent}' takes its place");
                    let failure = Failure::new(FailureKind::Cancelled, message);
                    let retry_at = Some(self.now);
                    self.push(Event::AttemptFailed { visit: id, attempt, failure, retry_at });
                }
                Activity::BackingOff(_) => {}
                Activity::Arrived
                | Activity::Queued(_)
                | Activity::Routing
                | Activity::Seeking
                | Activity::Asking(_)
                | Activity::Waiting(_)
                | Activity::Listening(..)
                | Activity::Child(_)
                | Activity::Inside
                | Activity::Unknown(_)
                | Activity::Skipped
                | Activity::Completed
                | Activity::Failed(_)
                | Activity::Cancelled => continue,
            }
            self.start_attempt(id, attempt.saturating_add(1), Some(Box::new(work)));
        }
    }
}
