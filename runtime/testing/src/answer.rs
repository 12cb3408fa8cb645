//! Who answers what, when.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::call::CallResponse;
use pawl_core::event::{Actor, Asker};
use pawl_core::source::test_file::Person;
use pawl_core::view::OpenApproval;
use pawl_core::{ApprovalId, RunState, StepId, Timestamp, VisitId};
use pawl_engine::Answer;
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::report::Finding;

/// Who answers where an entry does not say.
const OPERATOR: &str = "user:operator";

/// A question that is open.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) approval: ApprovalId,
    run: pawl_core::RunId,
    step: StepId,
    title: String,
    visit: VisitId,
    asker: Asker,
    opened_at: Timestamp,
    /// Who has answered already, where several must.
    voted: Vec<String>,
}

/// The answer to a question, and when it comes.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) at: Timestamp,
    pub(crate) approval: ApprovalId,
    pub(crate) answer: Answer,
    /// The entry of the test that says so.
    entry: Option<usize>,
}

/// The people of a test, and what each has said. Outlives processes, as people do.
#[derive(Debug)]
pub(crate) struct People<'t> {
    entries: &'t [Person],
    used: Vec<bool>,
    /// The entry for each question that was seen.
    assigned: BTreeMap<ApprovalId, usize>,
    /// Questions that do not take what happened outside for an answer.
    given_up: BTreeSet<ApprovalId>,
    pub(crate) findings: Vec<Finding>,
}

impl Question {
    pub(crate) fn of(open: &OpenApproval, state: &RunState) -> Option<Self> {
        let (_, approval) = state.approvals().find(|(id, _)| **id == open.id)?;
        Some(Self {
            approval: open.id.clone(),
            run: open.run,
            step: open.step.clone(),
            title: open.title.clone(),
            visit: approval.visit,
            asker: approval.asker,
            opened_at: open.created_at,
            voted: open.inbox.votes.iter().map(|vote| vote.by.clone()).collect(),
        })
    }

    const fn is_unknown(&self) -> bool {
        matches!(self.asker, Asker::UnknownStep | Asker::UnknownCall(_))
    }

    /// What somebody says who looks at what happened outside.
    fn truth(&self, ledger: &Ledger) -> (&'static str, Value) {
        let call = match self.asker {
            Asker::UnknownCall(call) => Some(call),
            Asker::Step
            | Asker::Call(_)
            | Asker::UnknownStep
            | Asker::GuardedStep
            | Asker::GuardedCall(_)
            | Asker::BudgetStep
            | Asker::BudgetCall(_)
            | Asker::ToolStep
            | Asker::ToolCall(_) => None,
        };
        match ledger.latest(self.run, self.visit, call) {
            Some(CallResponse::Ok(output)) => ("succeeded", json!({ "output": output })),
            Some(CallResponse::Err(_)) | None => ("retry", Value::Null),
        }
    }
}

impl<'t> People<'t> {
    pub(crate) fn new(entries: &'t [Person]) -> Self {
        Self {
            entries,
            used: vec![false; entries.len()],
            assigned: BTreeMap::new(),
            given_up: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    /// The earliest answer to any of these questions. Where a process has died, somebody looks at what
    /// it left unknown, unless the test says what is answered then.
    pub(crate) fn next(&mut self, open: &[Question], crashed: bool, ledger: &Ledger) -> Option<Turn> {
        open.iter().filter_map(|question| self.turn(question, crashed, ledger)).min_by_key(|turn| turn.at)
    }

    fn turn(&mut self, question: &Question, crashed: bool, ledger: &Ledger) -> Option<Turn> {
        let assigned = self.assigned.get(&question.approval).copied();
        let entry =
            assigned.filter(|entry| !self.has_voted(*entry, question)).or_else(|| self.assign(question));
        let Some(entry) = entry else {
            if !crashed || !question.is_unknown() || self.given_up.contains(&question.approval) {
                return None;
            }
            let (action, data) = question.truth(ledger);
            let answer = Answer { action: action.to_owned(), data, by: operator(), comment: None };
            return Some(Turn {
                at: question.opened_at,
                approval: question.approval.clone(),
                answer,
                entry: None,
            });
        };
        let answers = self.entries[entry].answers.as_ref()?;
        let by = match &answers.by {
            Some(name) => Actor { name: name.clone(), groups: answers.groups.clone(), ..nobody() },
            None => operator(),
        };
        Some(Turn {
            at: question.opened_at.after(answers.after),
            approval: question.approval.clone(),
            answer: Answer {
                action: answers.action.clone(),
                data: answers.form.clone(),
                by,
                comment: answers.comment.clone(),
            },
            entry: Some(entry),
        })
    }

    /// Whether an entry has done its part: where several people must answer, the question is still open then.
    fn has_voted(&self, entry: usize, question: &Question) -> bool {
        self.entries[entry].answers.as_ref().is_some_and(|answers| {
            let by = answers.by.as_deref().unwrap_or(OPERATOR);
            !answers.refused && question.voted.iter().any(|voted| voted == by)
        })
    }

    /// The first entry that is meant for a question and was not used yet.
    fn assign(&mut self, question: &Question) -> Option<usize> {
        let meant = |person: &Person| {
            let asks = &person.asks;
            asks.unknown == question.is_unknown()
                && asks.step.as_ref().is_none_or(|step| step.value == question.step.as_str())
                && asks.title.as_ref().is_none_or(|title| question.title.contains(title))
        };
        let found =
            self.entries.iter().enumerate().position(|(index, entry)| !self.used[index] && meant(entry))?;
        self.used[found] = true;
        self.assigned.insert(question.approval.clone(), found);
        Some(found)
    }

    /// An answer was taken.
    pub(crate) fn taken(&mut self, turn: &Turn) {
        if let Some(person) = self.entry(turn)
            && person.answers.as_ref().is_some_and(|answers| answers.refused)
        {
            self.findings.push(Finding {
                place: person.place.clone(),
                what: format!("answer '{}'", turn.answer.action),
                expected: "it is refused".to_owned(),
                found: "it was taken".to_owned(),
            });
        }
    }

    /// An answer was refused; the next entry for the same question may do better.
    pub(crate) fn refused(&mut self, turn: &Turn, why: &str) {
        self.assigned.remove(&turn.approval);
        let Some(person) = self.entry(turn) else {
            self.given_up.insert(turn.approval.clone());
            return;
        };
        if person.answers.as_ref().is_some_and(|answers| answers.refused) {
            return;
        }
        self.findings.push(Finding {
            place: person.place.clone(),
            what: format!("answer '{}'", turn.answer.action),
            expected: "it is taken".to_owned(),
            found: why.to_owned(),
        });
    }

    fn entry(&self, turn: &Turn) -> Option<&'t Person> {
        self.entries.get(turn.entry?)
    }

    /// Entries that nobody asked for.
    pub(crate) fn unused(&self) -> Vec<Finding> {
        // Whether an outcome becomes unknown depends on crashes: who would be asked then may be idle.
        let unused = self.entries.iter().zip(&self.used);
        let unused = unused.filter(|(person, used)| !**used && !person.asks.unknown);
        let finding = |(person, _): (&Person, &bool)| Finding {
            place: person.place.clone(),
            what: "people".to_owned(),
            expected: "somebody is asked".to_owned(),
            found: "nobody was asked this, or not so often".to_owned(),
        };
        unused.map(finding).collect()
    }
}

fn nobody() -> Actor {
    Actor { name: String::new(), groups: Vec::new(), operator: false, via: "test".to_owned() }
}

/// Who may answer everything.
pub(crate) fn operator() -> Actor {
    Actor { name: OPERATOR.to_owned(), operator: true, ..nobody() }
}
