//! A person answers.

use serde_json::Value;

use super::Draft;
use super::budget::{self, RAISE};
use super::unknown::SUCCEEDED;
use crate::ApprovalId;
use crate::call::{CallRequest, Question};
use crate::command::{Refusal, empty_object};
use crate::definition::Schema;
use crate::event::{Actor, ApprovalDecided, Asker, Event};
use crate::guard::APPROVE;
use crate::state::{Approval, CallProgress, RunState};

impl Draft<'_> {
    /// Checks an answer against what was asked, and consumes it in the same
    /// commit that starts what it allows.
    pub(super) fn answer(
        &mut self,
        id: &ApprovalId,
        action: &str,
        data: Value,
        by: Actor,
        comment: Option<String>,
    ) -> Result<(), Refusal> {
        let approval = self.state.approvals.get(id).ok_or_else(|| Refusal::UnknownApproval(id.clone()))?;
        let form = form_of(&approval.question)?;
        let data = filled(form.as_ref(), if data.is_null() { empty_object() } else { data });
        check(self.state, approval, form.as_ref(), action, &data, &by)?;
        self.check_edited(approval, action, &data)?;
        self.check_end(approval.asker, approval.visit, action)?;
        let stands_still = self.state.is_suspended();
        if let Some(due) = approval.due.filter(|due| *due <= self.now && !stands_still) {
            return Err(Refusal::TooLate { due });
        }
        self.consume(id, action, &data, by, comment);
        Ok(())
    }

    /// Time is up: the action that the question names is taken.
    pub(super) fn answer_late(&mut self, id: &ApprovalId) {
        let Some(question) = self.state.approvals.get(id).map(|approval| &approval.question) else { return };
        let Some(action) = question.on_timeout.clone() else { return };
        // Nobody filled the form in, so nothing but its defaults is in it, whatever it requires.
        let data = filled(form_of(question).ok().flatten().as_ref(), empty_object());
        self.consume(id, &action, &data, Actor::timer(), None);
    }

    fn consume(&mut self, id: &ApprovalId, action: &str, data: &Value, by: Actor, comment: Option<String>) {
        let Some(approval) = self.state.approvals.get(id) else { return };
        let (visit, asker) = (approval.visit, approval.asker);
        let request = self.state.visit(visit).and_then(|at| {
            let Asker::UnknownCall(call) = asker else { return None };
            let CallProgress::Unknown(request, _) = &at.calls.get(call)?.progress else { return None };
            Some(request.clone())
        });
        let name = by.name.clone();
        let guarded = approval.guarded(action, data);
        let executes = guarded.as_ref().filter(|_| action == APPROVE).map(CallRequest::digest);
        self.push(Event::ApprovalDecided(Box::new(ApprovalDecided {
            approval: id.clone(),
            action: action.to_owned(),
            data: data.clone().into(),
            by,
            comment,
            executes,
        })));
        if let Some(request) = guarded {
            return self.settle_guarded((visit, asker), action, request, &said_by(&name, data));
        }
        match (asker, request) {
            (Asker::Step, _) => {
                let output = serde_json::json!({ "action": action, "data": data, "by": name });
                self.complete_step(visit, output);
            }
            (Asker::BudgetStep, _) => self.raise_or_end(visit, None, action, data),
            (Asker::BudgetCall(call), _) => self.raise_or_end(visit, Some(call), action, data),
            (Asker::UnknownStep, _) => self.settle_step(visit, action, data),
            (Asker::UnknownCall(call), Some(request)) => {
                self.settle_call(visit, call, &request, action, data);
            }
            // The event itself is the agent's answer.
            (Asker::Call(_) | Asker::UnknownCall(_) | Asker::GuardedStep | Asker::GuardedCall(_), _) => {}
        }
    }
}

/// Who rejected something, and why.
fn said_by(name: &str, data: &Value) -> String {
    let note = data.get("note").and_then(Value::as_str).filter(|note| !note.is_empty());
    note.map_or_else(|| name.to_owned(), |note| format!("{name}: {note}"))
}

/// The form of a question, compiled.
fn form_of(question: &Question) -> Result<Option<Schema>, Refusal> {
    let form = question.form.clone().map(Schema::new).transpose();
    form.map_err(|error| Refusal::InvalidForm { problems: vec![error.to_string()] })
}

/// What was filled in, with the form's defaults.
fn filled(form: Option<&Schema>, data: Value) -> Value {
    match form {
        Some(form) => form.with_defaults(data),
        None => data,
    }
}

fn check(
    state: &RunState,
    approval: &Approval,
    form: Option<&Schema>,
    action: &str,
    data: &Value,
    by: &Actor,
) -> Result<(), Refusal> {
    if let Some((action, by)) = approval.decision.clone() {
        return Err(Refusal::AlreadyDecided { action, by });
    }
    if !approval.open {
        return Err(Refusal::AlreadyDecided { action: "closed".into(), by: "the end of its step".into() });
    }
    let question = &approval.question;
    let asked = question.to.is_empty()
        || by.operator
        || question.to.iter().any(|who| *who == by.name || by.groups.contains(who));
    if !asked {
        return Err(Refusal::NotAsked { who: by.name.clone(), asked: question.to.clone() });
    }
    if !question.actions.iter().any(|offered| offered == action) {
        let offered = question.actions.clone();
        return Err(Refusal::UnknownAction { action: action.to_owned(), offered });
    }
    let mut problems = match form {
        Some(form) => form.problems(data),
        None if data.as_object().is_some_and(serde_json::Map::is_empty) => Vec::new(),
        None => vec!["there is no form to fill in; leave the data out".to_owned()],
    };
    let settles = matches!(approval.asker, Asker::UnknownStep | Asker::UnknownCall(_));
    if settles && action == SUCCEEDED && data.get("output").is_none() {
        problems.push("'succeeded' needs the field 'output': what the tool gave".to_owned());
    }
    if action == RAISE
        && let Asker::BudgetCall(_) | Asker::BudgetStep = approval.asker
    {
        let call = if let Asker::BudgetCall(call) = approval.asker { Some(call) } else { None };
        problems.extend(budget::problem(state, approval.visit, call, data));
    }
    if problems.is_empty() { Ok(()) } else { Err(Refusal::InvalidForm { problems }) }
}
