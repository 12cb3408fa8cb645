//! A step asks for what is to be done, and the plugin that does it is chosen when it comes to that.
//!
//! What is asked for is evaluated here, once. Who there is, and who of them is best, comes in with
//! [`Command::ChooseRoute`](crate::Command::ChooseRoute), and what was chosen stands in the event: a
//! replay, or a process that goes on after a crash, does not choose again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Draft;
use super::advance::Arrival;
use super::arrive::withheld;
use crate::command::{RouteFound, RouteOutcome};
use crate::definition::{AgentStep, Otherwise, Route, ToolStep};
use crate::event::{Event, RouteAwaited, RouteChosen, RouteRequested, Work};
use crate::expression::EvaluationError;
use crate::plugin::{Description, PluginKind};
use crate::refusal::Refusal;
use crate::route::{LABEL_MAX_BYTES, RouteQuery};
use crate::state::{Activity, Routing, Visit};
use crate::{Failure, FailureKind, FrameId, MemoryScope, VisitId};

/// Failures that another plugin would have as well: what was asked for is wrong, or somebody said no.
const OF_THE_REQUEST: [FailureKind; 3] =
    [FailureKind::InvalidInput, FailureKind::Rejected, FailureKind::Cancelled];

impl Draft<'_> {
    /// An agent is looked for.
    pub(super) fn route_agent(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        (agent, route): (&AgentStep, &Route),
    ) -> Result<Arrival, EvaluationError> {
        let input = agent.with.evaluate(&self.scope(frame))?;
        self.taint_visit(frame, visit, &agent.with);
        match self.memory_of(frame, &agent.memory)? {
            Ok(memory) => self.request_route(frame, visit, route, (PluginKind::Agent, input, memory)),
            Err(failure) => Ok(self.came_of(visit, Err(failure))),
        }
    }

    /// A tool is looked for.
    pub(super) fn route_tool(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        (tool, route): (&ToolStep, &Route),
    ) -> Result<Arrival, EvaluationError> {
        let input = tool.with.evaluate(&self.scope(frame))?;
        self.taint_visit(frame, visit, &tool.with);
        self.request_route(frame, visit, route, (PluginKind::Tool, input, None))
    }

    fn request_route(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        route: &Route,
        (kind, input, memory): (PluginKind, Value, Option<MemoryScope>),
    ) -> Result<Arrival, EvaluationError> {
        let mut labels = BTreeMap::new();
        for (name, label) in &route.labels {
            let label = label.evaluate_text(&self.scope(frame))?;
            if label.len() > LABEL_MAX_BYTES {
                let message = format!(
                    "the label {name} has {} bytes; label_max_bytes is {LABEL_MAX_BYTES}",
                    label.len()
                );
                return Ok(self.came_of(visit, Err(Failure::new(FailureKind::InvalidInput, message))));
            }
            labels.insert(name.clone(), label);
        }
        let (capability, prefer) = (route.capability.clone(), route.prefer.clone());
        let query = RouteQuery { kind, capability, labels, prefer };
        let input = input.into();
        self.push(Event::RouteRequested(Box::new(RouteRequested { visit, query, input, memory })));
        Ok(Arrival::Stays)
    }

    /// The router has looked for a plugin.
    pub(super) fn choose_route(&mut self, id: VisitId, outcome: RouteOutcome) -> Result<(), Refusal> {
        let stale = || Refusal::Stale { visit: id, attempt: 0 };
        let visit = self.state.visit(id).filter(|visit| visit.is_routed()).ok_or_else(stale)?;
        let routing = visit.route.as_deref().ok_or_else(stale)?;
        if self.state.is_suspended() {
            // It is looked for again when the run is resumed: by then another one may be the best.
            return Ok(());
        }
        match outcome {
            RouteOutcome::Found(found) if routing.failed.contains(&found.chosen) => return Err(stale()),
            RouteOutcome::Found(found) => self.take_route(id, *found),
            RouteOutcome::None { reason, candidates, passing } => {
                let waits = matches!(visit.activity, Activity::Seeking);
                let (failure, attempt) = (routing.failure.clone(), visit.attempt);
                if let Some(failure) = failure {
                    self.exhaust_route(id, failure, attempt);
                } else if self.route_of(id).is_some_and(|route| route.otherwise == Otherwise::Wait) {
                    if !waits {
                        let awaited = RouteAwaited { visit: id, reason, candidates };
                        self.push(Event::RouteAwaited(Box::new(awaited)));
                    }
                } else {
                    let kind = if passing { FailureKind::Transient } else { FailureKind::Permanent };
                    self.fail_step(id, Failure::new(kind, reason));
                }
            }
        }
        Ok(())
    }

    fn take_route(&mut self, id: VisitId, found: RouteFound) {
        let RouteFound { chosen, tool, pin, candidates, more, reason } = found;
        let Some(visit) = self.state.visit(id) else { return };
        let Some(routing) = visit.route.as_deref() else { return };
        let attempt = visit.attempt.saturating_add(1);
        // The run keeps the bytes that it has by this name.
        let known = self.state.plugins.get(&chosen);
        let used = known.unwrap_or(&pin);
        let work = work(routing, &chosen, tool.as_deref(), &used.description, used.component);
        let pin = known.is_none().then_some(pin);
        let Some(work) = work else {
            let message = format!("plugin '{chosen}' is not what its route was chosen for");
            return self.fail_step(id, Failure::new(FailureKind::InvalidInput, message));
        };
        let chosen = RouteChosen { visit: id, chosen, tool, pin, candidates, more, reason };
        self.push(Event::RouteChosen(Box::new(chosen)));
        match self.withheld_work(&work) {
            Some(failure) => self.fail_step(id, failure),
            None if self.stop_work(id, &work) => {}
            None => self.start_attempt(id, attempt, Some(Box::new(work))),
        }
    }

    /// Why the operator does not let what was chosen happen. The router leaves such plugins out; what it says comes
    /// from outside, and is looked at again as what a workflow names is.
    fn withheld_work(&self, work: &Work) -> Option<Failure> {
        let grants = &self.state.policy.grants;
        match work {
            Work::Tool { plugin, tool, .. } => {
                let name = format!("{plugin}.{tool}");
                (!grants.lets_tool(&name)).then(|| withheld("tools", &name))
            }
            Work::Agent { agent, .. } => (!grants.lets_agent(agent)).then(|| withheld("agents", agent)),
        }
    }

    /// Stops the chosen tool at a person, where a rule says so. What was allowed of the one before it is of no use
    /// to another.
    fn stop_work(&mut self, id: VisitId, work: &Work) -> bool {
        match work {
            Work::Tool { plugin, tool, arguments, .. } => {
                self.stop_step(id, &format!("{plugin}.{tool}"), &arguments.share())
            }
            Work::Agent { .. } => false,
        }
    }

    /// All that there were have failed: `retry` says whether it begins anew.
    fn exhaust_route(&mut self, id: VisitId, failure: Failure, attempt: u32) {
        let before = self.state.visit(id).map(|visit| visit.attempts_before).unwrap_or_default();
        let count = attempt.saturating_sub(before).max(1);
        let fraction = self.entropy.fraction();
        let pause = self.step_of(id).and_then(|step| step.retry.pause(count, &failure, fraction));
        match pause {
            Some(pause) => {
                let retry_at = self.now.after(pause);
                self.push(Event::RouteExhausted { visit: id, retry_at });
            }
            None => self.fail_step(id, failure),
        }
    }

    /// The route of the step of a visit.
    pub(super) fn route_of(&self, id: VisitId) -> Option<&Route> {
        self.step_of(id)?.route()
    }

    /// The plugin that another one is to take the place of after this failure.
    pub(super) fn gives_way(&self, id: VisitId, failure: &Failure) -> Option<String> {
        if OF_THE_REQUEST.contains(&failure.kind) || !self.route_of(id)?.failover {
            return None;
        }
        self.state.visit(id)?.route.as_ref()?.chosen.clone()
    }

    /// Looks for a plugin once more, among all, where its step allows another than the last.
    pub(super) fn route_again(&mut self, id: VisitId) -> bool {
        let routed = self.state.visit(id).is_some_and(|visit| visit.route.is_some());
        let again = routed && self.route_of(id).is_some_and(|route| route.failover);
        if again {
            self.push(Event::RouteReopened { visit: id, failed: None });
        }
        again
    }
}

impl Visit {
    /// Whether a plugin is looked for, or waited for.
    pub(crate) const fn is_routed(&self) -> bool {
        matches!(self.activity, Activity::Routing | Activity::Seeking)
    }
}

/// What the chosen plugin does; nothing if it cannot.
fn work(
    routing: &Routing,
    name: &str,
    tool: Option<&str>,
    description: &Description,
    component: crate::Digest,
) -> Option<Work> {
    let input = crate::event::Payload::Inline(std::sync::Arc::clone(&routing.input));
    match (routing.query.kind, description) {
        (PluginKind::Agent, Description::Agent(_)) => {
            Some(Work::Agent { agent: name.to_owned(), component, input, memory: routing.memory.clone() })
        }
        (PluginKind::Tool, Description::Tools(_)) => {
            let tool = description.tool(tool?)?;
            let (plugin, effect, tool) = (name.to_owned(), tool.effect, tool.name.clone());
            Some(Work::Tool { plugin, tool, component, effect, arguments: input })
        }
        (PluginKind::Agent, Description::Tools(_)) | (PluginKind::Tool, Description::Agent(_)) => None,
    }
}
