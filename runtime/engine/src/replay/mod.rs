//! A run's agents once more, against what was recorded of them.
//!
//! Nothing reaches outside: every call is answered with what the journal holds,
//! and one that it does not hold ends the attempt. What a step did otherwise (a
//! tool, a person, time) stands in the journal as a result, and is not done.

mod host;
mod recorded;

use std::sync::{Arc, PoisonError};

use pawl_core::definition::{Definition, Verb};
use pawl_core::event::{Event, Work};
use pawl_core::plugin::Permissions;
use pawl_core::{FailureKind, Rank, RunId, RunState, StepId, VisitId};
use pawl_sandbox::{AgentEnd, AgentTask};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::plugins::{AGENT_SCHEMAS, limits_of};
use crate::{Engine, EngineError, RunHistory};
use host::Host;
use recorded::{End, Recorded, recorded};

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// How many events the journal has.
    pub events: u64,
    /// The agents' attempts, in the order in which they began.
    pub attempts: Vec<ReplayedAttempt>,
}

impl ReplayReport {
    /// The first attempt that differs.
    pub fn first_difference(&self) -> Option<(&ReplayedAttempt, &Difference)> {
        self.attempts.iter().find_map(|attempt| Some((attempt, attempt.difference.as_ref()?)))
    }
}

/// One attempt of an agent, run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayedAttempt {
    /// The step.
    pub step: StepId,
    /// The visit.
    pub visit: VisitId,
    /// The attempt.
    pub attempt: u32,
    /// The event with which it began.
    pub seq: u64,
    /// How many of its calls the journal holds.
    pub calls: u32,
    /// Where it first differs from the journal.
    pub difference: Option<Difference>,
}

/// Where an agent does otherwise than it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The number of the call; nothing for what the agent ended with.
    pub call: Option<u32>,
    /// What the journal holds; null for nothing.
    pub expected: Value,
    /// What came; null for nothing.
    pub found: Value,
}

impl Engine {
    /// Runs every attempt of the run's agents again, with the recorded answers.
    pub async fn replay(&self, run: RunId) -> Result<ReplayReport, EngineError> {
        let history = self.history(run).await?;
        let eras = self.eras(&history).await?;
        let mut attempts = Vec::new();
        for recorded in recorded(run, &history.envelopes) {
            let era = eras.iter().rev().find(|era| era.since <= recorded.seq);
            let Some(era) = era else { continue };
            let difference = self.replay_attempt(era, &recorded).await?;
            attempts.push(ReplayedAttempt {
                step: recorded.step,
                visit: recorded.visit,
                attempt: recorded.attempt,
                seq: recorded.seq,
                calls: recorded.calls.last(),
                difference,
            });
        }
        Ok(ReplayReport { events: history.head.seq, attempts })
    }

    /// The run as it was at the end of each time in which it had one definition: an agent is run again under the one
    /// that it began under.
    async fn eras(&self, history: &RunHistory) -> Result<Vec<Era>, EngineError> {
        let run = history.state.id();
        let (mut found, mut state, mut since) = (Vec::new(), RunState::new(run), 0);
        for envelope in &history.envelopes {
            if let Event::DefinitionChanged(_) = envelope.event {
                found.push((since, state.clone()));
                since = envelope.seq;
            }
            state.apply(envelope.time, &envelope.event);
        }
        found.push((since, state));
        let mut eras = Vec::new();
        for (since, state) in found {
            let store = self.store().as_ref();
            let definition = self.context.definitions.pinned(store, run, state.definition()).await?;
            eras.push(Era { since, state, definition });
        }
        Ok(eras)
    }

    async fn replay_attempt(
        &self,
        era: &Era,
        recorded: &Recorded,
    ) -> Result<Option<Difference>, EngineError> {
        let (state, context) = (&era.state, &self.context);
        let Work::Agent { agent, component, input, .. } = &*recorded.work else { return Ok(None) };
        let Some(pin) = state.plugins().get(agent) else { return Ok(None) };
        let ready = context.catalog.pinned(context.store.as_ref(), state.id(), *component).await?;
        let input = input.clone().into_value();
        if let Some((accepts, _)) = ready.schemas.get(AGENT_SCHEMAS)
            && !accepts.problems(&input).is_empty()
        {
            // It was refused without being run.
            return Ok(None);
        }
        let task = AgentTask {
            input,
            run: recorded.run.to_string(),
            step: recorded.step.to_string(),
            attempt: recorded.attempt,
            rank: Rank::new(recorded.started_at, state.priority(Some(recorded.visit))),
            now: recorded.started_at,
            seed: *state.attempt_seed(recorded.visit, recorded.attempt).as_bytes(),
            grants: grants(&era.definition, state, &recorded.step),
            limits: limits_of(pin, &context.config.limits),
            progress: None,
        };
        let (host, seen) = Host::new(recorded);
        let end = context.catalog.sandbox().run_agent(&ready.loaded, task, Box::new(host)).await;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(seen.difference.or_else(|| compare(recorded, seen.made, &end)))
    }
}

/// A run, while it had one definition.
struct Era {
    /// The event with which it got it.
    since: u64,
    state: RunState,
    definition: Arc<Definition>,
}

/// What the step's agent may do, as it was when it ran.
fn grants(definition: &Definition, state: &RunState, step: &StepId) -> Permissions {
    let verb = definition.index_of(step).and_then(|index| definition.step(index)).map(|step| &step.verb);
    let Some(Verb::Agent(agent)) = verb else { return Permissions::default() };
    state.granted(&agent.permissions)
}

/// Compares what an agent came to with what the journal says that it came to.
fn compare(recorded: &Recorded, made: u32, end: &AgentEnd) -> Option<Difference> {
    let next = made.saturating_add(1);
    if made < recorded.calls.last() && !matches!(end, AgentEnd::Suspended) {
        let expected = recorded.requests.get(&next).cloned().unwrap_or_default();
        return Some(Difference { call: Some(next), expected, found: Value::Null });
    }
    let expected = match &recorded.end {
        End::Open => return None,
        End::Completed(output) => json!({ "completed": output }),
        End::Failed(failure) => json!({ "failed": failure }),
        End::HandedOver(agent, input) => handoff(agent, input),
    };
    let found = match end {
        AgentEnd::Completed(value) => json!({ "completed": value }),
        AgentEnd::GaveUp(failure) | AgentEnd::Failed(failure) => json!({ "failed": failure }),
        AgentEnd::Handoff { agent, input } => handoff(agent, input),
        AgentEnd::Suspended => Value::Null,
    };
    let same = match (&recorded.end, end) {
        // It gave what its own description excludes, or handed on what could not be.
        (End::Failed(before), AgentEnd::Completed(_)) => before.kind == FailureKind::InvalidOutput,
        (End::Failed(before), AgentEnd::Handoff { .. }) => {
            matches!(before.kind, FailureKind::Denied | FailureKind::InvalidInput)
        }
        _ => expected == found,
    };
    (!same).then_some(Difference { call: None, expected, found })
}

fn handoff(agent: &str, input: &Value) -> Value {
    json!({ "handoff": { "agent": agent, "input": input } })
}
