//! Calls that a rule stops at a person: what is asked about, and what may be made.

use serde_json::Value;

use super::{Approval, CallProgress, CallState, RunState};
use crate::call::{CallRequest, Question};
use crate::event::{ApprovalDecided, ApprovalOpened, Asker};
use crate::guard::{APPROVE, ARGUMENTS, TOOL};
use crate::{Digest, Timestamp};

impl Question {
    /// The guarded call that it is about: what is shown is what is made.
    pub fn call(&self) -> Option<CallRequest> {
        let subject = self.subject.as_ref()?;
        let name = subject.get(TOOL)?.as_str()?.to_owned();
        let arguments = subject.get(ARGUMENTS).cloned().unwrap_or_default();
        Some(CallRequest::Tool { name, arguments })
    }
}

impl Approval {
    /// The guarded call that it is about, with the arguments that an answer gives it.
    pub(crate) fn guarded(&self, action: &str, data: &Value) -> Option<CallRequest> {
        let guards = matches!(self.asker, Asker::GuardedStep | Asker::GuardedCall(_));
        let request = self.question.call().filter(|_| guards)?;
        match (request, data.get(ARGUMENTS).filter(|_| action == APPROVE)) {
            (CallRequest::Tool { name, .. }, Some(edited)) => {
                Some(CallRequest::Tool { name, arguments: edited.clone() })
            }
            (request, _) => Some(request),
        }
    }
}

impl Approval {
    /// What an answer allows of a guarded call, SHA-256 of its tool and arguments.
    pub(crate) fn executes(&self, action: &str, data: &Value) -> Option<Digest> {
        self.guarded(action, data).filter(|_| action == APPROVE).as_ref().map(CallRequest::digest)
    }
}

impl RunState {
    /// An agent's call waits for a person. The time that they take is not the agent's.
    pub(super) fn guard_call(&mut self, opened: &ApprovalOpened, call: u32) {
        let Some(request) = opened.question.call() else { return };
        self.with_callers(opened.visit, |visit| visit.deadline = None);
        let Some(visit) = self.visits.get_mut(&opened.visit) else { return };
        // A second question about the same call may be about other arguments.
        let digest = visit.calls.get(call).map_or_else(|| request.digest(), |state| state.digest);
        let progress = CallProgress::Guarded(opened.approval.clone());
        visit.calls.set(call, CallState { digest, progress });
    }

    /// A person has said whether it may be made. One that may not is answered in the same commit.
    pub(super) fn clear_guarded(&mut self, time: Timestamp, decided: &ApprovalDecided, call: u32) {
        let Some(approval) = self.approvals.get(&decided.approval) else { return };
        let id = approval.visit;
        let request = approval.guarded(&decided.action, &decided.data.share());
        let Some(visit) = self.visits.get_mut(&id) else { return };
        if let Some(request) = request.filter(|_| decided.executes.is_some()) {
            visit.calls.progress(call, |progress| {
                matches!(progress, CallProgress::Guarded(_)).then_some(CallProgress::Cleared(request))
            });
        }
        self.resume_time(time, id, call);
    }
}
