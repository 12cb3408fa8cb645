//! Agents call agents, and hand their tasks over.

use serde_json::Value;

use super::{Draft, RUN_MAX_VISITS};
use crate::command::AnsweredCall;
use crate::definition::Verb;
use crate::event::{Event, Payload, Work};
use crate::plugin::PluginKind;
use crate::refusal::Refusal;
use crate::{Failure, FailureKind, VisitId};

/// How many agents may wait for one another, the step's own counted.
pub const AGENTS_MAX_DEPTH: u32 = 8;
/// How often the task of one visit may be handed over.
pub const HANDOVERS_MAX: u32 = 8;

impl Draft<'_> {
    /// Begins the visit of the agent that is called, or answers why not.
    pub(super) fn call_agent(&mut self, caller: VisitId, call: u32, name: &str, task: Value) {
        let depth = self.state.depth(caller).saturating_add(2);
        let work = if depth > AGENTS_MAX_DEPTH {
            let message = format!(
                "agent {name} is not called: no more than agents_max_depth ({AGENTS_MAX_DEPTH}) agents may wait \
                 for one another; call it from a step of its own"
            );
            Err(Failure::new(FailureKind::Limit, message))
        } else if self.state.visits.len() >= self.visits_max() {
            let message = format!("the run has more visits than run_max_visits ({RUN_MAX_VISITS}) allows");
            Err(Failure::new(FailureKind::Limit, message))
        } else {
            self.allowed_agent(caller, "call", name, task)
        };
        match work {
            Ok(work) => {
                let visits = u32::try_from(self.state.visits.len()).unwrap_or(u32::MAX);
                let visit = VisitId(visits.saturating_add(1));
                self.push(Event::AgentCalled { visit, caller, call });
                let work = Some(Box::new(work));
                self.push(Event::AttemptStarted { visit, attempt: 1, work, deadline: None });
            }
            Err(failure) => self.return_to(caller, call, Err(failure)),
        }
    }

    /// Gives an agent's call the answer of the agent that it has called.
    pub(super) fn return_to(&mut self, caller: VisitId, call: u32, result: Result<Value, Failure>) {
        let digest = self.state.visit(caller).and_then(|at| Some(at.calls.get(call)?.digest));
        let Some(digest) = digest else { return };
        let response = result.map(Payload::from);
        self.push(Event::CallCompleted { visit: caller, call, request: None, digest, response });
    }

    /// The visit goes on with another agent.
    pub(super) fn hand_over(
        &mut self,
        visit: VisitId,
        attempt: u32,
        to: &str,
        input: Value,
        silent: Vec<AnsweredCall>,
    ) -> Result<(), Refusal> {
        let handovers = self.under_way(visit, attempt)?.handovers;
        self.record_silent(visit, silent)?;
        let work = if handovers >= HANDOVERS_MAX {
            let message = format!(
                "the task was handed over more often than handovers_max ({HANDOVERS_MAX}) allows; let one agent \
                 call the others instead"
            );
            Err(Failure::new(FailureKind::Limit, message))
        } else {
            self.allowed_agent(visit, "hand over to", to, input)
        };
        match work {
            Ok(work) => {
                self.push(Event::TaskHandedOver { visit, attempt, to: to.to_owned() });
                self.start_attempt(visit, attempt.saturating_add(1), Some(Box::new(work)));
            }
            Err(failure) => self.fail_attempt(visit, failure, true),
        }
        Ok(())
    }

    /// What an agent does that another one calls or hands over to, if the step allows it.
    fn allowed_agent(&self, visit: VisitId, to: &str, name: &str, input: Value) -> Result<Work, Failure> {
        let step = self.step_of(visit);
        let allows = step.is_some_and(|step| {
            let policy = &self.state.policy;
            if let Verb::Agent(agent) = &step.verb {
                policy.narrow(&agent.permissions).agents.contains(name)
            } else {
                false
            }
        });
        if !allows {
            let id = step.map(|step| step.id.to_string()).unwrap_or_default();
            let message = format!("step '{id}' may not {to} agent {name}; add it to `permissions: agents`");
            return Err(Failure::new(FailureKind::Denied, message));
        }
        match self.state.plugins.get(name) {
            Some(pin) if pin.description.kind() == PluginKind::Agent => {
                let (agent, component) = (name.to_owned(), pin.component);
                // The memory is the step's, whichever agent works on it.
                let memory = match self.state.visit(visit).and_then(|visit| visit.work.as_deref()) {
                    Some(Work::Agent { memory, .. }) => memory.clone(),
                    Some(Work::Tool { .. }) | None => None,
                };
                Ok(Work::Agent { agent, component, input: input.into(), memory })
            }
            _ => {
                let message = format!("the run has no agent '{name}'");
                Err(Failure::new(FailureKind::InvalidInput, message))
            }
        }
    }
}
