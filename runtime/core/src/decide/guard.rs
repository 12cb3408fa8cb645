//! Calls of tools that a rule stops at a person.
//!
//! A call is made when every rule that holds for it is met: somebody whom the rule asks has allowed
//! exactly these arguments. Rules that ask different people are asked one after the other. What a
//! person allows is one call of one attempt; another attempt's call is asked about anew.

use serde_json::{Value, json};

use super::Draft;
use crate::call::{CallRequest, Question};
use crate::command::CallPlace;
use crate::definition::{Schema, Verb};
use crate::event::{Actor, Asker};
use crate::guard::{APPROVE, ARGUMENTS, ASK, GuardRule, Policy, REJECT, TOOL, covers};
use crate::plugin::{Ceiling, ToolDescription, split_tool};
use crate::refusal::Refusal;
use crate::state::{Approval, CallProgress};
use crate::terms::STEPS;
use crate::{Digest, Failure, FailureKind, VisitId};

impl Draft<'_> {
    /// The rules for what a visit calls: the operator's, the workflow's, its step's.
    fn rules(&self, visit: VisitId) -> impl Iterator<Item = &GuardRule> {
        let step = self.step_of(visit).map(|step| &step.approvals);
        let own = self.definition.approvals.iter().chain(step.into_iter().flatten());
        self.state.policy.approvals.iter().chain(own)
    }

    /// Whether there is a rule for a tool, whatever its arguments.
    pub(super) fn is_guarded(&self, visit: VisitId, tool: &str) -> bool {
        self.rules(visit).any(|rule| covers(&rule.tool, tool))
    }

    /// What is made of a call that a person has cleared.
    pub(super) fn cleared(&self, visit: VisitId, call: u32) -> Option<CallRequest> {
        match &self.state.visit(visit)?.calls.get(call)?.progress {
            CallProgress::Cleared(request) => Some(request.clone()),
            CallProgress::Running(_)
            | CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Unknown(..)
            | CallProgress::Paused(..)
            | CallProgress::Answered { .. } => None,
        }
    }

    /// Stops an agent's call at a person, where a rule says so. One that was cleared is not asked about again.
    pub(super) fn stop_call(&mut self, at: CallPlace, tool: &str, arguments: &Value) -> bool {
        let is_known = self.state.visit(at.visit).is_none_or(|visit| visit.calls.get(at.call).is_some());
        !is_known && self.stop((at.visit, Asker::GuardedCall(at.call)), tool, arguments)
    }

    /// Stops a tool step before its first attempt, or its first by another plugin, where a rule says so.
    pub(super) fn stop_step(&mut self, visit: VisitId, tool: &str, arguments: &Value) -> bool {
        self.stop((visit, Asker::GuardedStep), tool, arguments)
    }

    /// Asks what the first rule asks that is not met.
    fn stop(&mut self, (visit, asker): (VisitId, Asker), tool: &str, arguments: &Value) -> bool {
        if !self.is_guarded(visit, tool) {
            return false;
        }
        let request = CallRequest::Tool { name: tool.to_owned(), arguments: arguments.clone() };
        let digest = request.digest();
        let sources = self.state.visit(visit).map(|visit| visit.taint.clone()).unwrap_or_default();
        let (mut reasons, mut unmet) = (Vec::new(), None);
        for rule in self.rules(visit) {
            if let Some(reason) = rule.holds(tool, arguments, &sources) {
                reasons.push(reason);
                if unmet.is_none() && !self.is_met(rule, (visit, asker), digest) {
                    unmet = Some(rule.clone());
                }
            }
        }
        let Some(rule) = unmet else { return false };
        let step = self.step_of(visit).map(|step| step.id.to_string()).unwrap_or_default();
        let question = Question {
            title: format!("Allow {tool} in step '{step}'?"),
            to: rule.to,
            actions: [APPROVE, REJECT].map(str::to_owned).to_vec(),
            form: Some(form()),
            subject: Some(json!({
                TOOL: tool, ARGUMENTS: arguments, "digest": digest.to_string(), "because": reasons,
            })),
            due: rule.due,
            on_timeout: rule.on_timeout,
            terms: rule.terms,
        };
        self.ask(visit, asker, question);
        true
    }

    /// What an agent asks a person, with what rules for `human.ask` add: an agent cannot choose whom it asks where
    /// somebody else has chosen, nor how many.
    pub(super) fn ruled(&self, visit: VisitId, mut question: Question) -> Question {
        let mut rules = self.rules(visit).filter(|rule| rule.tool == ASK).peekable();
        if rules.peek().is_none() {
            return question;
        }
        let asked = serde_json::to_value(&question).unwrap_or_default();
        let sources = self.state.visit(visit).map(|visit| visit.taint.clone()).unwrap_or_default();
        let mut people: Option<Vec<String>> = None;
        for rule in rules {
            if rule.holds(ASK, &asked, &sources).is_none() {
                continue;
            }
            if people.is_none() && !rule.to.is_empty() {
                people = Some(rule.to.clone());
            }
            let is_late = |action: &String| question.due.is_none() && question.actions.contains(action);
            if let Some(action) = rule.on_timeout.clone().filter(is_late) {
                (question.due, question.on_timeout) = (rule.due, Some(action));
            }
            question.terms.add(&rule.terms, &question.actions);
        }
        question.to = people.unwrap_or(question.to);
        question
    }

    /// Whether somebody whom a rule asks has allowed this call.
    fn is_met(&self, rule: &GuardRule, of: (VisitId, Asker), digest: Digest) -> bool {
        let attempt = self.state.visit(of.0).map_or(0, |visit| visit.attempt);
        self.state.approvals.values().any(|approval| {
            let Some((allowed, by)) = &approval.allowed else { return false };
            let same = (approval.visit, approval.asker) == of && approval.attempt == attempt;
            same && *allowed == digest && meets(rule, approval, by)
        })
    }

    /// Arguments that a person changed are what the tool takes.
    pub(super) fn check_edited(
        &self,
        approval: &Approval,
        action: &str,
        data: &Value,
    ) -> Result<(), Refusal> {
        let Some(CallRequest::Tool { name, .. }) = approval.guarded(action, data) else { return Ok(()) };
        let Some(edited) = data.get(ARGUMENTS) else { return Ok(()) };
        let refused = |problems| Err(Refusal::InvalidForm { problems });
        if action != APPROVE {
            return refused(vec![format!("'{ARGUMENTS}' goes with '{APPROVE}'; leave it out")]);
        }
        let Some(tool) = self.tool(&name) else { return Ok(()) };
        match Schema::new(tool.input_schema.clone()) {
            Ok(schema) => {
                let problems = schema.problems(edited);
                if problems.is_empty() {
                    return Ok(());
                }
                refused(problems.into_iter().map(|problem| format!("{ARGUMENTS}: {problem}")).collect())
            }
            Err(error) => refused(vec![format!("{ARGUMENTS} cannot be checked: {error}")]),
        }
    }

    fn tool(&self, name: &str) -> Option<&ToolDescription> {
        let (plugin, tool) = split_tool(name)?;
        self.state.plugins.get(plugin)?.description.tool(tool)
    }

    /// Does what a person said of a guarded call.
    pub(super) fn settle_guarded(
        &mut self,
        (visit, asker): (VisitId, Asker),
        action: &str,
        request: CallRequest,
        by: &str,
    ) {
        let CallRequest::Tool { name, arguments } = &request else { return };
        if action == APPROVE {
            if self.stop((visit, asker), name, arguments) || asker != Asker::GuardedStep {
                // `ApprovalDecided` has cleared an agent's call; the agent's next run makes it.
                return;
            }
            let definition = self.definition;
            let step = self.index_of(visit).and_then(|index| definition.step(index));
            let (Some(step), Some((plugin, tool))) = (step, split_tool(name)) else { return };
            let work = self.work_of_tool(plugin, tool, arguments.clone());
            self.attempt_or_fail(visit, step, work);
            return;
        }
        let failure = Failure::new(FailureKind::Rejected, format!("{name} was not allowed by {by}"));
        match asker {
            Asker::GuardedCall(call) => self.record(visit, call, request, Err(failure)),
            Asker::GuardedStep => self.fail_step(visit, failure),
            Asker::Step
            | Asker::Call(_)
            | Asker::UnknownStep
            | Asker::UnknownCall(_)
            | Asker::BudgetStep
            | Asker::BudgetCall(_)
            | Asker::ToolStep
            | Asker::ToolCall(_) => {}
        }
    }

    /// A rule as it binds a run that a step starts: that one has neither these steps nor these initiators.
    fn rule_of_child(&self, rule: &GuardRule) -> GuardRule {
        let mut rule = rule.clone();
        if !rule.terms.not_by.is_empty() {
            let names = self.excluded(&rule.terms);
            rule.terms.not_by.retain(|entry| !entry.starts_with(STEPS));
            let new = names.into_iter().filter(|name| !rule.terms.not_by.contains(name));
            let new: Vec<_> = new.collect();
            rule.terms.not_by.extend(new);
        }
        rule
    }

    /// What a run is bound by that a step starts: what binds this one, and what this one's workflow asks.
    pub(super) fn policy_of_child(&self, visit: VisitId) -> Policy {
        let own = &self.state.policy;
        let follows = self.follows_taint();
        let ceiling = match self.step_of(visit).map(|step| &step.verb) {
            Some(Verb::Workflow(step)) => step.grants.based(self.state.folder.as_deref()),
            _ => Ceiling::default(),
        };
        Policy {
            approvals: self.rules(visit).map(|rule| self.rule_of_child(rule)).collect(),
            untrusted: own.untrusted.clone(),
            grants: own.grants.clone(),
            around: own.around.within(&ceiling),
            files: own.files.clone(),
            tainted: self
                .state
                .visit(visit)
                .filter(|_| follows)
                .map(|visit| visit.taint.clone())
                .unwrap_or_default(),
            follows,
        }
    }
}

/// Whether who allowed a call is somebody whom a rule asks, in the way that it asks.
fn meets(rule: &GuardRule, approval: &Approval, by: &Actor) -> bool {
    let question = &approval.question;
    let is_own = question.to == rule.to && question.terms == rule.terms;
    // Time answers the question that was asked, and no other.
    if *by == Actor::timer() {
        return is_own && rule.on_timeout.as_deref() == Some(APPROVE);
    }
    // What was asked so was answered so, by those who were asked or by whom they asked in their place.
    if is_own {
        return true;
    }
    let asks = rule.to.is_empty()
        || by.operator
        || rule.to.iter().any(|who| *who == by.name || by.groups.contains(who));
    asks && !rule.terms.is_strict()
}

fn form() -> Value {
    json!({
        "type": "object",
        "properties": {
            ARGUMENTS: { "type": "object", "description": "other arguments than those that were given" },
            "note": { "type": "string" },
        },
        "additionalProperties": false,
    })
}
