//! The host side of an agent that is run again: it knows what was recorded and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::call::CallRequest;
use pawl_core::event::Work;
use pawl_core::state::{CallProgress, Calls};
use pawl_core::{Failure, FailureKind, MemoryScope, Timestamp};
use pawl_sandbox::{AgentHost, CallReply};
use serde_json::Value;

use super::Difference;
use super::recorded::{End, Recorded};

/// What was seen of an agent.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// How many calls it made.
    pub(super) made: u32,
    /// The first that differs.
    pub(super) difference: Option<Difference>,
}

/// Answers from the journal.
#[derive(Debug)]
pub(super) struct Host {
    calls: Calls,
    /// Whose memory it used.
    memory: Option<MemoryScope>,
    requests: BTreeMap<u32, Value>,
    /// Whether the journal does not say how it ended, so that it may make more calls.
    is_open: bool,
    now: Timestamp,
    seen: Arc<Mutex<Seen>>,
}

impl Host {
    pub(super) fn new(recorded: &Recorded) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let memory = match &*recorded.work {
            Work::Agent { memory, .. } => memory.clone(),
            Work::Tool { .. } => None,
        };
        let host = Self {
            memory,
            calls: recorded.calls.clone(),
            requests: recorded.requests.clone(),
            is_open: matches!(recorded.end, End::Open),
            now: recorded.started_at,
            seen: Arc::clone(&seen),
        };
        (host, seen)
    }

    fn differs(&self, call: u32, expected: Value, request: &CallRequest) -> CallReply {
        let difference = Difference { call: Some(call), expected, found: request.to_json() };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).difference = Some(difference);
        CallReply::Abort(Failure::new(FailureKind::Diverged, "the replay differs from the journal"))
    }
}

#[async_trait]
impl AgentHost for Host {
    async fn call(&mut self, request: CallRequest) -> CallReply {
        let request = request.on_memory(self.memory.as_ref());
        let call = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.made += 1;
            seen.made
        };
        let Some(state) = self.calls.get(call) else {
            return if self.is_open { CallReply::Suspend } else { self.differs(call, Value::Null, &request) };
        };
        if state.digest != request.digest() {
            let expected = self.requests.get(&call).cloned().unwrap_or_default();
            return self.differs(call, expected, &request);
        }
        match &state.progress {
            CallProgress::Answered { response, at } => {
                self.now = at.map_or(self.now, |at| self.now.max(at));
                CallReply::Answer { response: response.clone(), now: self.now }
            }
            CallProgress::Running(_)
            | CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Paused(..)
            | CallProgress::Unknown(..)
            | CallProgress::Cleared(_) => CallReply::Suspend,
        }
    }
}
