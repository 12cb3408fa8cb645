//! Outcomes that nobody knows: a person is asked, and what they say is done.

use serde_json::{Value, json};

use super::Draft;
use crate::call::{CallRequest, Question};
use crate::event::{ApprovalOpened, Asker, Event, Work};
use crate::state::CallProgress;
use crate::terms::Terms;
use crate::{ApprovalId, Digest, Failure, FailureKind, VisitId};

/// Try it again: it did not happen.
pub(super) const RETRY: &str = "retry";
/// It happened; its result is in the form.
pub(super) const SUCCEEDED: &str = "succeeded";
/// It did not happen and shall not.
pub(super) const FAILED: &str = "failed";

impl Draft<'_> {
    /// Opens an approval.
    pub(super) fn ask(&mut self, visit: VisitId, asker: Asker, question: Question) {
        let digest =
            serde_json::to_value(&question).map_or_else(|_| Digest::of(&[]), |q| Digest::of_json(&q));
        let due = question.due.map(|due| self.now.after(due));
        let approval = ApprovalId::from_bits(self.entropy.bits());
        let excluded = self.excluded(&question.terms);
        let opened = ApprovalOpened { visit, approval, asker, question, digest, due, excluded };
        self.push(Event::ApprovalOpened(Box::new(opened)));
    }

    /// A tool step may or may not have happened.
    pub(super) fn ask_about_step(&mut self, visit: VisitId, reason: String) {
        let Some(work) = self.state.visit(visit).and_then(|at| at.work.clone()) else { return };
        let (name, arguments) = match &*work {
            Work::Tool { plugin, tool, arguments, .. } => {
                (format!("{plugin}.{tool}"), arguments.clone().into_value())
            }
            Work::Agent { agent, input, .. } => (agent.clone(), input.clone().into_value()),
        };
        let question = question(&name, &reason, &arguments);
        self.push(Event::OutcomeUnknown { visit, call: None, reason });
        self.ask(visit, Asker::UnknownStep, question);
    }

    /// An agent's call may or may not have happened.
    pub(super) fn ask_about_call(&mut self, visit: VisitId, call: u32, reason: String) {
        let open = self.state.visit(visit).and_then(|at| at.calls.get(call));
        let Some(state) = open else { return };
        let (CallProgress::Running(request) | CallProgress::Cleared(request)) = &state.progress else {
            return;
        };
        let CallRequest::Tool { name, arguments } = request else { return };
        let question = question(name, &reason, arguments);
        self.push(Event::OutcomeUnknown { visit, call: Some(call), reason });
        self.ask(visit, Asker::UnknownCall(call), question);
    }

    /// Does what a person said of a step's unknown outcome.
    pub(super) fn settle_step(&mut self, visit: VisitId, action: &str, data: &Value) {
        match action {
            RETRY if self.state.is_suspended() => {
                self.attempt_when_resumed(visit, "a person decided that it did not happen");
            }
            RETRY => self.attempt_again(visit),
            SUCCEEDED => self.complete_step(visit, data.get("output").cloned().unwrap_or_default()),
            _ => self.fail_step(visit, Failure::new(FailureKind::Rejected, said(data))),
        }
    }

    /// Does what a person said of a call's unknown outcome.
    pub(super) fn settle_call(
        &mut self,
        visit: VisitId,
        call: u32,
        request: &CallRequest,
        action: &str,
        data: &Value,
    ) {
        match action {
            // `ApprovalDecided` has cleared the call; the agent's next run makes it.
            RETRY => {}
            SUCCEEDED => {
                let output = data.get("output").cloned().unwrap_or_default();
                let digest = self.digest_of(visit, call, request);
                let response = Ok(output.into());
                self.push(Event::CallCompleted { visit, call, request: None, digest, response });
            }
            _ => self.call_did_not_happen(visit, call, request, said(data)),
        }
    }
}

fn said(data: &Value) -> String {
    let note = data.get("note").and_then(Value::as_str).unwrap_or("no reason given");
    format!("a person decided that it failed: {note}")
}

fn question(name: &str, reason: &str, arguments: &Value) -> Question {
    Question {
        title: format!("Did {name} happen? Its outcome is unknown: {reason}"),
        to: Vec::new(),
        actions: [RETRY, SUCCEEDED, FAILED].map(str::to_owned).to_vec(),
        form: Some(json!({
            "type": "object",
            "properties": {
                "output": { "description": "for 'succeeded': what the tool would have given" },
                "note": { "type": "string" },
            },
            "additionalProperties": false,
        })),
        subject: Some(arguments.clone()),
        due: None,
        on_timeout: None,
        terms: Terms::default(),
    }
}
