//! An agent's calls: begun, answered, recorded.

use super::Draft;
use crate::call::{CallRequest, CallResponse};
use crate::command::{AnsweredCall, CallPlace};
use crate::event::{Asker, Event, Payload};
use crate::plugin::{EffectClass, split_tool};
use crate::refusal::Refusal;
use crate::state::CallProgress;
use crate::{Digest, Failure, FailureKind, VisitId};

impl Draft<'_> {
    /// Records what must be known before the call happens. A call of a `pure`
    /// or `idempotent` tool needs nothing: after a crash it happens again,
    /// with the same key. So does a question to a model, which changes nothing.
    pub(super) fn begin_call(
        &mut self,
        at: CallPlace,
        request: CallRequest,
        silent: Vec<AnsweredCall>,
    ) -> Result<(), Refusal> {
        let CallPlace { visit, attempt, call, .. } = at;
        self.under_way(visit, attempt)?;
        self.expect(at, &silent)?;
        let waits = self.state.visit(visit).is_some_and(|visit| {
            let mut open = visit.calls.open();
            // Those that are made together may all be asked about at once.
            open.any(|(number, state)| state.waits() && !(number >= at.first && state.is_guarded()))
        });
        // The agent of a suspended run is put away, and makes the call when the run is resumed.
        if waits || self.state.is_suspended() {
            return Err(Refusal::CallWaits { visit, call });
        }
        match request {
            CallRequest::Tool { .. } => {
                let request = self.cleared(visit, call).unwrap_or(request);
                let CallRequest::Tool { name, arguments } = &request else { return Ok(()) };
                let is_once = self.tool_effect(name) == Some(EffectClass::AtMostOnce);
                if is_once || self.is_guarded(visit, name) || self.state.is_budgeted(visit) {
                    self.record_silent(visit, silent)?;
                }
                if self.stop_call(at, name, arguments) {
                    return Ok(());
                }
                if self.reserve_call(visit, call, &request) && is_once {
                    self.push(Event::CallStarted { visit, call, request, until: None });
                }
            }
            CallRequest::Agent { ref name, ref task } => {
                let (name, task) = (name.clone(), task.clone());
                self.record_silent(visit, silent)?;
                self.push(Event::CallStarted { visit, call, request, until: None });
                self.call_agent(visit, call, &name, task);
            }
            CallRequest::Signal { name, due } => {
                self.record_silent(visit, silent)?;
                self.await_signal(visit, call, &name, due);
            }
            CallRequest::Human(question) => {
                self.record_silent(visit, silent)?;
                let request = CallRequest::Human(question.clone());
                self.push(Event::CallStarted { visit, call, request, until: None });
                let question = self.ruled(visit, *question);
                self.ask(visit, Asker::Call(call), question);
            }
            CallRequest::Sleep { duration } => {
                self.record_silent(visit, silent)?;
                let until = Some(self.later(duration));
                self.push(Event::CallStarted { visit, call, request, until });
            }
            CallRequest::Model { .. } => {
                if self.state.is_budgeted(visit) {
                    self.record_silent(visit, silent)?;
                    self.reserve_call(visit, call, &request);
                }
            }
            CallRequest::ToolList
            | CallRequest::AgentList
            | CallRequest::MemoryGet { .. }
            | CallRequest::MemoryPut { .. }
            | CallRequest::Log { .. }
            | CallRequest::Denied { .. } => {}
        }
        Ok(())
    }

    pub(super) fn end_call(
        &mut self,
        at: CallPlace,
        request: CallRequest,
        response: CallResponse,
        silent: Vec<AnsweredCall>,
    ) -> Result<(), Refusal> {
        let CallPlace { visit, attempt, call, .. } = at;
        let running = self.under_way(visit, attempt)?.calls.get(call);
        if !running.is_some_and(|state| matches!(state.progress, CallProgress::Running(_))) {
            self.expect(at, &silent)?;
            self.record_silent(visit, silent)?;
            self.settle_call_budget(visit, call, &request, &response);
            self.record(visit, call, request, response);
            return Ok(());
        }
        self.settle_call_budget(visit, call, &request, &response);
        match response {
            Err(failure) if failure.kind.leaves_outcome_open() => {
                self.ask_about_call(visit, call, failure.message);
            }
            response => {
                let digest = self.digest_of(visit, call, &request);
                let response = response.map(Payload::from);
                self.push(Event::CallCompleted { visit, call, request: None, digest, response });
            }
        }
        Ok(())
    }

    /// Records calls that changed nothing outside, in their order.
    pub(super) fn record_silent(&mut self, visit: VisitId, silent: Vec<AnsweredCall>) -> Result<(), Refusal> {
        for AnsweredCall { call, request, response } in silent {
            self.expect(CallPlace { visit, attempt: 0, call, first: call }, &[])?;
            self.record(visit, call, request, response);
        }
        Ok(())
    }

    pub(super) fn record(&mut self, visit: VisitId, call: u32, request: CallRequest, response: CallResponse) {
        let digest = self.digest_of(visit, call, &request);
        let response = response.map(Payload::from);
        self.push(Event::CallCompleted { visit, call, request: Some(request), digest, response });
    }

    /// What a replay compares with what the agent asks: a person may have changed what is made.
    pub(super) fn digest_of(&self, visit: VisitId, call: u32, request: &CallRequest) -> Digest {
        let known = self.state.visit(visit).and_then(|at| at.calls.get(call));
        known.map_or_else(|| request.digest(), |state| state.digest)
    }

    /// All calls before those that are made together with it must be answered, the silent ones
    /// counted, and it itself must be new, or one that a person cleared.
    pub(super) fn expect(&self, at: CallPlace, silent: &[AnsweredCall]) -> Result<(), Refusal> {
        let CallPlace { visit, attempt, call, first } = at;
        let Some(calls) = self.state.visit(visit).map(|at| &at.calls) else {
            return Err(Refusal::Stale { visit, attempt });
        };
        let is_new = calls.get(call).is_none_or(|state| matches!(state.progress, CallProgress::Cleared(_)));
        let before = first.saturating_sub(1);
        let known = u32::try_from(silent.len()).ok().and_then(|count| calls.whole().checked_add(count));
        let follows = known.is_some_and(|known| before == known || (silent.is_empty() && before < known));
        let answered = calls.open().next().is_none_or(|(open, _)| open >= first);
        if is_new && follows && answered && (1..=call).contains(&first) {
            Ok(())
        } else {
            Err(Refusal::CallOutOfOrder { visit, call, recorded: calls.whole() })
        }
    }

    fn tool_effect(&self, name: &str) -> Option<EffectClass> {
        let (plugin, tool) = split_tool(name)?;
        Some(self.state.plugins.get(plugin)?.description.tool(tool)?.effect)
    }

    /// The answer of a sleep whose time has come.
    pub(super) fn end_sleep(&mut self, visit: VisitId, call: u32) {
        let Some(digest) = self.state.visit(visit).and_then(|at| Some(at.calls.get(call)?.digest)) else {
            return;
        };
        let response = Ok(serde_json::Value::Null.into());
        self.push(Event::CallCompleted { visit, call, request: None, digest, response });
    }

    /// The failure of a call that a person says did not happen.
    pub(super) fn call_did_not_happen(
        &mut self,
        visit: VisitId,
        call: u32,
        request: &CallRequest,
        why: String,
    ) {
        let response = Err(Failure::new(FailureKind::Rejected, why));
        let digest = self.digest_of(visit, call, request);
        self.push(Event::CallCompleted { visit, call, request: None, digest, response });
    }
}
