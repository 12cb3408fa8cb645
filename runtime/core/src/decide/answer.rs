//! A person answers.

use serde_json::{Value, json};

use super::Draft;
use super::budget::{self, RAISE};
use super::inbox::check_length;
use super::rights::voice;
use super::unknown::SUCCEEDED;
use crate::call::Question;
use crate::command::empty_object;
use crate::definition::Schema;
use crate::elicit::ACCEPT;
use crate::event::{Actor, ApprovalDecided, ApprovalVoted, Asker, Event};
use crate::inbox::Vote;
use crate::refusal::Refusal;
use crate::state::{Approval, CallProgress, RunState};
use crate::terms::{Terms, VOTES_MAX};
use crate::{ApprovalId, Digest};

impl Draft<'_> {
    /// Checks an answer against what was asked. One that decides is consumed in the same commit that
    /// starts what it allows; one of several that must agree is recorded.
    pub(super) fn answer(
        &mut self,
        id: &ApprovalId,
        action: &str,
        data: Value,
        by: Actor,
        comment: Option<String>,
    ) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        let is_tools = matches!(approval.asker, Asker::ToolStep | Asker::ToolCall(_));
        // Who does not answer a tool fills nothing in.
        let form = if is_tools && action != ACCEPT { None } else { form_of(&approval.question)? };
        let data = filled(form.as_ref(), if data.is_null() { empty_object() } else { data });
        let executes = approval.executes(action, &data);
        let instead_of = voice(self.state, approval, &by, |vote| stands(vote, executes))?;
        self.not_held(approval, &by)?;
        check(self.state, approval, form.as_ref(), action, &data)?;
        check_reason(&approval.question.terms, action, comment.as_deref())?;
        self.check_edited(approval, action, &data)?;
        self.check_end(approval.asker, approval.visit, action)?;
        self.in_time(approval)?;
        if !is_enough(approval, action, executes) {
            return self.vote(id, action, data, Said { by, instead_of, comment, executes });
        }
        self.consume(id, action, &data, Said { by, instead_of, comment, executes });
        Ok(())
    }

    /// One of those who must agree has answered.
    fn vote(&mut self, id: &ApprovalId, action: &str, data: Value, said: Said) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        if approval.votes >= VOTES_MAX {
            return Err(Refusal::TooMany { what: "answers", limit: "votes_max", max: VOTES_MAX });
        }
        let Said { by, instead_of, comment, executes } = said;
        self.push(Event::ApprovalVoted(Box::new(ApprovalVoted {
            approval: id.clone(),
            action: action.to_owned(),
            data: data.into(),
            by,
            instead_of,
            comment,
            executes,
        })));
        Ok(())
    }

    /// Time is up: the action that the question names is taken.
    pub(super) fn answer_late(&mut self, id: &ApprovalId) {
        let Some(approval) = self.state.approvals.get(id) else { return };
        let question = &approval.question;
        let Some(action) = question.on_timeout.clone() else { return };
        // Nobody filled the form in, so nothing but its defaults is in it, whatever it requires.
        let data = filled(form_of(question).ok().flatten().as_ref(), empty_object());
        let executes = approval.executes(&action, &data);
        let said = Said { by: Actor::timer(), instead_of: None, comment: None, executes };
        self.consume(id, &action, &data, said);
    }

    fn consume(&mut self, id: &ApprovalId, action: &str, data: &Value, said: Said) {
        let Some(approval) = self.state.approvals.get(id) else { return };
        let (visit, asker) = (approval.visit, approval.asker);
        let request = self.state.visit(visit).and_then(|at| {
            let Asker::UnknownCall(call) = asker else { return None };
            let CallProgress::Unknown(request, _) = &at.calls.get(call)?.progress else { return None };
            Some(request.clone())
        });
        let Said { by, instead_of, comment, executes } = said;
        let name = by.name.clone();
        let guarded = approval.guarded(action, data);
        self.push(Event::ApprovalDecided(Box::new(ApprovalDecided {
            approval: id.clone(),
            action: action.to_owned(),
            data: data.clone().into(),
            by,
            comment,
            executes,
            instead_of,
        })));
        if let Some(request) = guarded {
            return self.settle_guarded((visit, asker), action, request, &said_by(&name, data));
        }
        match (asker, request) {
            (Asker::Step, _) => {
                let output = self.answer_of(id, action, data, &name);
                self.complete_step(visit, output);
            }
            (Asker::BudgetStep, _) => self.raise_or_end(visit, None, action, data),
            (Asker::BudgetCall(call), _) => self.raise_or_end(visit, Some(call), action, data),
            (Asker::ToolStep, _) => self.go_on_with_tool(visit, None),
            (Asker::ToolCall(call), _) => self.go_on_with_tool(visit, Some(call)),
            (Asker::UnknownStep, _) => self.settle_step(visit, action, data),
            (Asker::UnknownCall(call), Some(request)) => {
                self.settle_call(visit, call, &request, action, data);
            }
            // The event itself is the agent's answer.
            (Asker::Call(_) | Asker::UnknownCall(_) | Asker::GuardedStep | Asker::GuardedCall(_), _) => {}
        }
    }

    /// The output of a `human` step; where several must agree, with what each of them said.
    fn answer_of(&self, id: &ApprovalId, action: &str, data: &Value, by: &str) -> Value {
        let mut output = json!({ "action": action, "data": data, "by": by });
        let approval = self.state.approvals.get(id);
        if let Some(approval) = approval.filter(|approval| approval.question.terms.quorum.is_some()) {
            let said = approval.inbox.votes.iter().zip(&approval.filled);
            let said = said.map(|(vote, data)| {
                json!({ "action": vote.action, "data": data, "by": vote.by, "comment": vote.comment })
            });
            output["decisions"] = said.collect();
        }
        output
    }
}

/// Who says something, and what goes with it.
struct Said {
    by: Actor,
    instead_of: Option<String>,
    comment: Option<String>,
    executes: Option<Digest>,
}

/// Whether an answer that was given stands beside one that allows this: it allows nothing else.
fn stands(vote: &Vote, executes: Option<Digest>) -> bool {
    executes.is_none() || vote.executes.is_none() || vote.executes == executes
}

/// Whether an answer decides, with those that say the same.
fn is_enough(approval: &Approval, action: &str, executes: Option<Digest>) -> bool {
    let needed = approval.question.terms.needed(action) as usize;
    let same = |vote: &&Vote| vote.action == action && vote.executes == executes;
    approval.inbox.votes.iter().filter(same).count().saturating_add(1) >= needed
}

fn check_reason(terms: &Terms, action: &str, comment: Option<&str>) -> Result<(), Refusal> {
    check_length(comment)?;
    let is_given = comment.is_some_and(|text| !text.trim().is_empty());
    if !is_given && terms.reason.iter().any(|asked| asked == action) {
        return Err(Refusal::ReasonMissing { action: action.to_owned() });
    }
    Ok(())
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
) -> Result<(), Refusal> {
    let question = &approval.question;
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
