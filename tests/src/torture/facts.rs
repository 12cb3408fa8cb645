//! What a journal says of calls of tools: which results it holds, under which keys, and since when.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::call::CallRequest;
use pawl_core::event::{Asker, Event, Work};
use pawl_core::{ApprovalId, RunState, VisitId};

use super::evidence::Book;

/// A result, or a failure that is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The idempotency key of the call.
    pub(super) key: String,
    /// Since when it stands in the journal, in milliseconds since 1970.
    pub(super) at: u64,
    /// Where.
    pub(super) seq: u64,
}

/// What a journal says of calls of tools.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) results: Vec<Recorded>,
    /// Calls that a journal says are about to be made.
    pub(super) begun: BTreeSet<String>,
    /// How often a person wanted a call made again whose outcome was unknown, by key.
    pub(super) retries: BTreeMap<String, usize>,
    /// The attempt that each visit is at, and whether it is a tool's.
    attempts: BTreeMap<VisitId, (u32, bool)>,
    /// Calls of agents that are under way and are calls of tools.
    started: BTreeMap<(VisitId, u32), bool>,
    /// What each approval is about, of those about unknown outcomes.
    unknown: BTreeMap<ApprovalId, String>,
}

impl Facts {
    pub(super) fn of(book: &Book) -> Self {
        let mut facts = Self::default();
        let keys = RunState::new(book.run);
        for envelope in &book.envelopes {
            if let Some(key) = facts.see(&keys, &envelope.event) {
                facts.results.push(Recorded { key, at: envelope.time.0, seq: envelope.seq });
            }
        }
        facts
    }

    /// Takes an event in; gives the key whose result it is.
    fn see(&mut self, keys: &RunState, event: &Event) -> Option<String> {
        match event {
            Event::AttemptStarted { visit, attempt, work, .. } => {
                let before = self.attempts.get(visit).is_some_and(|(_, tool)| *tool);
                let tool = work.as_deref().map_or(before, |work| matches!(work, Work::Tool { .. }));
                self.attempts.insert(*visit, (*attempt, tool));
                if tool {
                    self.begun.insert(keys.step_key(*visit));
                }
                None
            }
            Event::StepCompleted { visit, .. } | Event::AttemptFailed { visit, retry_at: None, .. } => {
                let (_, tool) = self.attempts.get(visit)?;
                tool.then(|| keys.step_key(*visit))
            }
            Event::CallStarted { visit, call, request, .. } => {
                self.started.insert((*visit, *call), matches!(request, CallRequest::Tool { .. }));
                self.begun.insert(self.call_key(keys, *visit, *call));
                None
            }
            Event::CallCompleted { visit, call, request, .. } => {
                let started = self.started.remove(&(*visit, *call)).unwrap_or_default();
                let tool =
                    request.as_ref().map_or(started, |request| matches!(request, CallRequest::Tool { .. }));
                tool.then(|| self.call_key(keys, *visit, *call))
            }
            Event::ApprovalOpened(opened) => {
                let key = match opened.asker {
                    Asker::UnknownStep => keys.step_key(opened.visit),
                    Asker::UnknownCall(call) => self.call_key(keys, opened.visit, call),
                    Asker::Step | Asker::Call(_) => return None,
                };
                self.unknown.insert(opened.approval.clone(), key);
                None
            }
            Event::ApprovalDecided(decided) if decided.action == "retry" => {
                if let Some(key) = self.unknown.get(&decided.approval) {
                    *self.retries.entry(key.clone()).or_default() += 1;
                }
                None
            }
            _ => None,
        }
    }

    fn call_key(&self, keys: &RunState, visit: VisitId, call: u32) -> String {
        let attempt = self.attempts.get(&visit).map_or(1, |(attempt, _)| *attempt);
        keys.call_key(visit, attempt, call)
    }
}
