//! What a journal says of calls of tools: which results it holds, under which keys, and since when.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::call::CallRequest;
use pawl_core::event::{Asker, Event, Work};
use pawl_core::{ApprovalId, RunState, VisitId};

use super::PAYMENT;
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
    /// Whether it is that of a payment.
    pub(super) pays: bool,
}

/// What a journal says of calls of tools.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) results: Vec<Recorded>,
    /// Those that the run that this one was forked from had, under the keys that they would have here.
    pub(super) copied: Vec<Recorded>,
    /// Calls that a journal says are about to be made.
    pub(super) begun: BTreeSet<String>,
    /// How often a person wanted a call made again whose outcome was unknown, by key.
    pub(super) retries: BTreeMap<String, usize>,
    /// The attempt that each visit is at, and of a tool's whether it pays.
    attempts: BTreeMap<VisitId, (u32, Option<bool>)>,
    /// Calls of agents that are under way, and of those of tools whether they pay.
    started: BTreeMap<(VisitId, u32), Option<bool>>,
    /// What each approval is about, of those about unknown outcomes.
    unknown: BTreeMap<ApprovalId, String>,
}

impl Facts {
    pub(super) fn of(book: &Book) -> Self {
        let mut facts = Self::default();
        let keys = RunState::new(book.run);
        let copied = book.copied();
        for (at, envelope) in book.envelopes.iter().enumerate() {
            if let Event::RunRetried(retried) = &envelope.event
                && retried.again
            {
                let key = keys.step_key(retried.visit);
                facts.results.retain(|result| result.key != key);
                *facts.retries.entry(key).or_default() += 1;
            }
            if let Some((key, pays)) = facts.see(&keys, &envelope.event) {
                let of = if at < copied { &mut facts.copied } else { &mut facts.results };
                of.push(Recorded { key, at: envelope.time.0, seq: envelope.seq, pays });
            }
        }
        facts
    }

    /// Takes an event in; gives the key whose result it is, and whether that is a payment's.
    fn see(&mut self, keys: &RunState, event: &Event) -> Option<(String, bool)> {
        match event {
            Event::AttemptStarted { visit, attempt, work, .. } => {
                let before = self.attempts.get(visit).and_then(|(_, tool)| *tool);
                let tool = work.as_deref().map_or(before, |work| match work {
                    Work::Tool { plugin, tool, .. } => Some(format!("{plugin}.{tool}") == PAYMENT),
                    Work::Agent { .. } => None,
                });
                self.attempts.insert(*visit, (*attempt, tool));
                if tool.is_some() {
                    self.begun.insert(keys.step_key(*visit));
                }
                None
            }
            Event::StepCompleted { visit, .. } | Event::AttemptFailed { visit, retry_at: None, .. } => {
                let (_, tool) = self.attempts.get(visit)?;
                tool.map(|pays| (keys.step_key(*visit), pays))
            }
            Event::CallStarted { visit, call, request, .. } => {
                self.started.insert((*visit, *call), pays(request));
                self.begun.insert(self.call_key(keys, *visit, *call));
                None
            }
            Event::CallCompleted { visit, call, request, .. } => {
                let started = self.started.remove(&(*visit, *call)).flatten();
                let tool = request.as_ref().map_or(started, pays);
                tool.map(|pays| (self.call_key(keys, *visit, *call), pays))
            }
            Event::ApprovalOpened(opened) => {
                let key = match opened.asker {
                    Asker::UnknownStep => keys.step_key(opened.visit),
                    Asker::UnknownCall(call) => self.call_key(keys, opened.visit, call),
                    Asker::Step
                    | Asker::Call(_)
                    | Asker::GuardedStep
                    | Asker::GuardedCall(_)
                    | Asker::BudgetStep
                    | Asker::BudgetCall(_)
                    | Asker::ToolStep
                    | Asker::ToolCall(_) => return None,
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

/// Of the call of a tool, whether it pays.
fn pays(request: &CallRequest) -> Option<bool> {
    match request {
        CallRequest::Tool { name, .. } => Some(name == PAYMENT),
        _ => None,
    }
}
