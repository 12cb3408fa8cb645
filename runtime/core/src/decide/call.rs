//! An agent's calls: begun, answered, recorded.

use super::Draft;
use crate::call::{CallRequest, CallResponse};
use crate::command::{AnsweredCall, Refusal};
use crate::event::{Asker, Event, Payload};
use crate::plugin::EffectClass;
use crate::state::CallProgress;
use crate::{Failure, FailureKind, VisitId};

impl Draft<'_> {
    /// Records what must be known before the call happens. A call of a `pure`
    /// or `idempotent` tool needs nothing: after a crash it happens again,
    /// with the same key.
    pub(super) fn begin_call(
        &mut self,
        visit: VisitId,
        attempt: u32,
        call: u32,
        request: CallRequest,
        silent: Vec<AnsweredCall>,
    ) -> Result<(), Refusal> {
        self.under_way(visit, attempt)?;
        self.expect_next(visit, call, &silent)?;
        match request {
            CallRequest::Tool { ref name, .. } => {
                if self.tool_effect(name) == Some(EffectClass::AtMostOnce) {
                    self.record_silent(visit, silent)?;
                    self.push(Event::CallStarted { visit, call, request, until: None });
                }
            }
            CallRequest::Human(question) => {
                self.record_silent(visit, silent)?;
                let request = CallRequest::Human(question.clone());
                self.push(Event::CallStarted { visit, call, request, until: None });
                self.ask(visit, Asker::Call(call), question);
            }
            CallRequest::Sleep { duration } => {
                self.record_silent(visit, silent)?;
                let until = Some(self.now.after(duration));
                self.push(Event::CallStarted { visit, call, request, until });
            }
            CallRequest::ToolList
            | CallRequest::MemoryGet { .. }
            | CallRequest::MemoryPut { .. }
            | CallRequest::Log { .. }
            | CallRequest::Denied { .. } => {}
        }
        Ok(())
    }

    pub(super) fn end_call(
        &mut self,
        visit: VisitId,
        attempt: u32,
        call: u32,
        request: CallRequest,
        response: CallResponse,
        silent: Vec<AnsweredCall>,
    ) -> Result<(), Refusal> {
        let at = self.under_way(visit, attempt)?;
        let running = at
            .open_call()
            .is_some_and(|(open, state)| open == call && matches!(state.progress, CallProgress::Running(_)));
        if !running {
            self.expect_next(visit, call, &silent)?;
            self.record_silent(visit, silent)?;
            self.record(visit, call, request, response);
            return Ok(());
        }
        match response {
            Err(failure) if failure.kind.leaves_outcome_open() => {
                self.ask_about_call(visit, call, failure.message);
            }
            response => {
                let (digest, response) = (request.digest(), response.map(Payload::from));
                self.push(Event::CallCompleted { visit, call, request: None, digest, response });
            }
        }
        Ok(())
    }

    /// Records calls that changed nothing outside, in their order.
    pub(super) fn record_silent(&mut self, visit: VisitId, silent: Vec<AnsweredCall>) -> Result<(), Refusal> {
        for AnsweredCall { call, request, response } in silent {
            self.expect_next(visit, call, &[])?;
            self.record(visit, call, request, response);
        }
        Ok(())
    }

    pub(super) fn record(&mut self, visit: VisitId, call: u32, request: CallRequest, response: CallResponse) {
        let digest = request.digest();
        let response = response.map(Payload::from);
        self.push(Event::CallCompleted { visit, call, request: Some(request), digest, response });
    }

    /// A call's number must follow the recorded ones and the silent ones before
    /// it, or be that of a call that a person cleared.
    fn expect_next(&self, visit: VisitId, call: u32, silent: &[AnsweredCall]) -> Result<(), Refusal> {
        let Some(at) = self.state.visit(visit) else {
            return Err(Refusal::Stale { visit, attempt: 0 });
        };
        let cleared = at
            .open_call()
            .is_some_and(|(open, state)| open == call && matches!(state.progress, CallProgress::Cleared(_)));
        let recorded = at.calls_recorded();
        let follows = u32::try_from(silent.len())
            .is_ok_and(|count| recorded.checked_add(count).and_then(|n| n.checked_add(1)) == Some(call));
        if cleared || (follows && at.open_call().is_none()) {
            Ok(())
        } else {
            Err(Refusal::CallOutOfOrder { visit, call, recorded })
        }
    }

    fn tool_effect(&self, name: &str) -> Option<EffectClass> {
        let (plugin, tool) = name.split_once('.')?;
        Some(self.state.plugins.get(plugin)?.description.tool(tool)?.effect)
    }

    /// The answer of a sleep whose time has come.
    pub(super) fn end_sleep(&mut self, visit: VisitId, call: u32) {
        let Some(digest) = self.state.visit(visit).and_then(|at| Some(at.open_call()?.1.digest)) else {
            return;
        };
        let response = Ok(Payload::Inline(serde_json::Value::Null));
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
        let digest = request.digest();
        self.push(Event::CallCompleted { visit, call, request: None, digest, response });
    }
}
