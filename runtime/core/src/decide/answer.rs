//! A person answers.

use serde_json::Value;

use super::Draft;
use super::unknown::SUCCEEDED;
use crate::ApprovalId;
use crate::command::{Refusal, empty_object};
use crate::definition::Schema;
use crate::event::{Actor, ApprovalDecided, Asker, Event};
use crate::state::{Approval, CallProgress};

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
        let data = if data.is_null() { empty_object() } else { data };
        check(approval, action, &data, &by)?;
        if let Some(due) = approval.due.filter(|due| *due <= self.now) {
            return Err(Refusal::TooLate { due });
        }
        self.consume(id, action, &data, by, comment);
        Ok(())
    }

    /// Time is up: the action that the question names is taken.
    pub(super) fn answer_late(&mut self, id: &ApprovalId) {
        let Some(action) = self.state.approvals.get(id).and_then(|a| a.question.on_timeout.clone()) else {
            return;
        };
        self.consume(id, &action, &empty_object(), Actor::timer(), None);
    }

    fn consume(&mut self, id: &ApprovalId, action: &str, data: &Value, by: Actor, comment: Option<String>) {
        let Some(approval) = self.state.approvals.get(id) else { return };
        let (visit, asker) = (approval.visit, approval.asker);
        let request = self.state.visit(visit).and_then(|at| {
            let (_, call) = at.open_call()?;
            if let CallProgress::Unknown(request, _) = &call.progress { Some(request.clone()) } else { None }
        });
        let name = by.name.clone();
        self.push(Event::ApprovalDecided(Box::new(ApprovalDecided {
            approval: id.clone(),
            action: action.to_owned(),
            data: data.clone().into(),
            by,
            comment,
        })));
        match (asker, request) {
            (Asker::Step, _) => {
                let output = serde_json::json!({ "action": action, "data": data, "by": name });
                self.complete_step(visit, output);
            }
            (Asker::UnknownStep, _) => self.settle_step(visit, action, data),
            (Asker::UnknownCall(call), Some(request)) => {
                self.settle_call(visit, call, &request, action, data);
            }
            // The event itself is the agent's answer.
            (Asker::Call(_) | Asker::UnknownCall(_), _) => {}
        }
    }
}

fn check(approval: &Approval, action: &str, data: &Value, by: &Actor) -> Result<(), Refusal> {
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
    let mut problems = match &question.form {
        Some(form) => Schema::new(form.clone())
            .map_or_else(|error| vec![error.to_string()], |schema| schema.problems(data)),
        None if data.as_object().is_some_and(serde_json::Map::is_empty) => Vec::new(),
        None => vec!["there is no form to fill in; leave the data out".to_owned()],
    };
    let settles = matches!(approval.asker, Asker::UnknownStep | Asker::UnknownCall(_));
    if settles && action == SUCCEEDED && data.get("output").is_none() {
        problems.push("'succeeded' needs the field 'output': what the tool gave".to_owned());
    }
    if problems.is_empty() { Ok(()) } else { Err(Refusal::InvalidForm { problems }) }
}
