//! The calls of an agent's attempt: those that are recorded, and which of them are open.

use std::collections::{BTreeMap, BTreeSet};

use super::{Activity, RunState};
use crate::call::{CallRequest, SharedResponse};
use crate::event::{Event, Payload};
use crate::{ApprovalId, Digest, Failure, Timestamp, VisitId};

/// One call of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct CallState {
    /// SHA-256 of the request, which a replay compares.
    pub digest: Digest,
    /// How far it got.
    pub progress: CallProgress,
}

/// How far a call got.
#[derive(Debug, Clone, PartialEq)]
pub enum CallProgress {
    /// An `at-most-once` tool is under way.
    Running(CallRequest),
    /// A person is asked.
    Asking(ApprovalId),
    /// A sleep ends at this instant.
    Sleeping(Timestamp),
    /// A rule guards it, and a person is asked whether it may be made.
    Guarded(ApprovalId),
    /// Another agent is called: its visit.
    Calling(VisitId),
    /// A signal of this name is waited for, at most until an instant.
    Listening(String, Option<Timestamp>),
    /// It may or may not have happened; a person is asked.
    Unknown(CallRequest, Option<ApprovalId>),
    /// It does not go on before a person lets it: it does not fit into a budget, or its tool has asked something.
    Paused(CallRequest, Option<ApprovalId>),
    /// A person wants it made, or tried again. What is made is this: a person may have changed the arguments
    /// that the agent gave, whose digest the call keeps.
    Cleared(CallRequest),
    /// Answered; `at` is what the agent's clock shows from then on, when the call moved it.
    Answered {
        /// The answer.
        response: SharedResponse,
        /// The clock after it.
        at: Option<Timestamp>,
    },
}

impl CallState {
    /// Whether somebody else must act before the agent goes on: a person, time, another agent.
    pub const fn waits(&self) -> bool {
        match self.progress {
            CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Paused(..)
            | CallProgress::Unknown(..) => true,
            CallProgress::Running(_) | CallProgress::Cleared(_) | CallProgress::Answered { .. } => false,
        }
    }

    /// Whether a person is asked who takes the time that they take, which is not the agent's.
    const fn stops_time(&self) -> bool {
        matches!(
            self.progress,
            CallProgress::Guarded(_) | CallProgress::Paused(..) | CallProgress::Unknown(..)
        )
    }

    /// Whether a person is asked if it may be made.
    pub const fn is_guarded(&self) -> bool {
        matches!(self.progress, CallProgress::Guarded(_))
    }

    /// The signal that it waits for, and until when.
    pub fn awaited(&self) -> Option<(&str, Option<Timestamp>)> {
        if let CallProgress::Listening(name, until) = &self.progress { Some((name, *until)) } else { None }
    }

    const fn is_open(&self) -> bool {
        !matches!(self.progress, CallProgress::Answered { .. })
    }
}

/// The calls of an agent's attempt, by number. Calls that are made together are recorded in any
/// order, so there may be gaps behind the last one before which there is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calls {
    all: BTreeMap<u32, CallState>,
    open: BTreeSet<u32>,
    /// The calls from 1 to this one are all there.
    whole: u32,
}

impl Calls {
    /// A call, from 1.
    pub fn get(&self, call: u32) -> Option<&CallState> {
        self.all.get(&call)
    }

    /// The calls that have no answer yet, in their order.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = (u32, &CallState)> {
        self.open.iter().filter_map(|call| Some((*call, self.all.get(call)?)))
    }

    /// The calls that were under way when nothing was heard of them any more.
    pub fn running(&self) -> Vec<u32> {
        let running = self.open().filter(|(_, state)| matches!(state.progress, CallProgress::Running(_)));
        running.map(|(call, _)| call).collect()
    }

    /// The calls at which the agent's time stands still.
    pub(super) fn stopping(&self) -> impl Iterator<Item = u32> {
        self.open().filter(|(_, state)| state.stops_time()).map(|(call, _)| call)
    }

    /// The number of the last one; 0 without any.
    pub fn last(&self) -> u32 {
        self.all.last_key_value().map_or(0, |(call, _)| *call)
    }

    /// The calls from 1 to this one are all recorded.
    pub const fn whole(&self) -> u32 {
        self.whole
    }

    /// Whether none is recorded.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the agent waits: for a person, or for time. What else it began goes on before.
    pub fn is_parked(&self) -> bool {
        let mut open = self.open().map(|(_, state)| state);
        let waits = self.open().any(|(_, state)| state.waits());
        waits && !open.any(|state| matches!(state.progress, CallProgress::Running(_)))
    }

    pub(crate) fn set(&mut self, call: u32, state: CallState) {
        if state.is_open() {
            self.open.insert(call);
        } else {
            self.open.remove(&call);
        }
        self.all.insert(call, state);
        while self.all.contains_key(&self.whole.saturating_add(1)) {
            self.whole += 1;
        }
    }

    /// Changes how far a call got, if it is there.
    pub(crate) fn progress(&mut self, call: u32, change: impl FnOnce(&CallProgress) -> Option<CallProgress>) {
        let changed = self.all.get(&call).and_then(|state| {
            let progress = change(&state.progress)?;
            Some(CallState { digest: state.digest, progress })
        });
        if let Some(changed) = changed {
            self.set(call, changed);
        }
    }
}

impl RunState {
    /// The events of an agent's calls.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken in elsewhere")]
    pub(super) fn apply_call(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::CallStarted { visit, call, request, until } => {
                self.start_call(*visit, *call, request, *until);
            }
            Event::AgentCalled { visit, caller, call } => self.call_agent(time, *visit, *caller, *call),
            Event::TaskHandedOver { visit, .. } => self.hand_over(*visit),
            Event::CallCompleted { visit, call, request, digest, response } => {
                self.complete_call(time, *visit, *call, request.as_ref(), *digest, response);
            }
            Event::OutcomeUnknown { visit, call, .. } => self.lose_outcome(*visit, *call),
            _ => {}
        }
    }

    fn start_call(&mut self, id: VisitId, call: u32, request: &CallRequest, until: Option<Timestamp>) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let progress = match (request, until) {
            (CallRequest::Signal { name, .. }, until) => CallProgress::Listening(name.clone(), until),
            (_, Some(until)) => CallProgress::Sleeping(until),
            (_, None) => CallProgress::Running(request.clone()),
        };
        // A cleared call starts a second time in its own place, and stays the one that the agent made.
        let digest = visit.calls.get(call).map_or_else(|| request.digest(), |state| state.digest);
        visit.calls.set(call, CallState { digest, progress });
        // Of tools, only those that are `at-most-once` are started before they are completed.
        if matches!(request, CallRequest::Tool { .. }) {
            self.with_callers(id, |visit| visit.acted_once = true);
        }
    }

    fn complete_call(
        &mut self,
        time: Timestamp,
        id: VisitId,
        call: u32,
        request: Option<&CallRequest>,
        digest: Digest,
        response: &Result<Payload, Failure>,
    ) {
        if let (Some(CallRequest::MemoryPut { key, value, scope }), Ok(_)) = (request, response) {
            match scope {
                None => {
                    self.memory.insert(key.clone(), value.clone());
                }
                // What goes beyond the run is the store's to keep, but for what shall not go there.
                Some(scope) if self.is_dry() => {
                    self.dry_memory.entry(scope.clone()).or_default().insert(key.clone(), value.clone());
                }
                Some(_) => {}
            }
        }
        self.end_called(time, id, call, response);
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let silent = request.is_some_and(CallRequest::is_silent);
        let response = response.as_ref().map(Payload::share).map_err(Clone::clone);
        visit.dialogues.remove(&Some(call));
        let at = (!silent).then_some(time);
        visit.calls.set(call, CallState { digest, progress: CallProgress::Answered { response, at } });
    }

    fn lose_outcome(&mut self, id: VisitId, call: Option<u32>) {
        // A person needs the time they need.
        self.with_callers(id, |visit| {
            visit.deadline = None;
            visit.total_at = None;
        });
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let Some(call) = call else {
            visit.activity = Activity::Unknown(None);
            return;
        };
        visit.calls.progress(call, |progress| match progress {
            CallProgress::Running(request) | CallProgress::Cleared(request) => {
                Some(CallProgress::Unknown(request.clone(), None))
            }
            CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Paused(..)
            | CallProgress::Unknown(..)
            | CallProgress::Answered { .. } => None,
        });
    }
}
