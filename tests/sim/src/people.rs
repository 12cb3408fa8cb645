//! Who answers what is asked, and when; and what becomes of runs that have ended or stand still.

mod council;

use pawl_core::event::{Actor, Asker};
use pawl_core::view::{OpenApproval, Status};
use pawl_core::{ApprovalId, Digest, Duration, RunId, StepId, Timestamp};
use pawl_engine::Answer;
use serde_json::{Value, json};

use crate::ground::{Followed, Truth};

/// So many runs there may be that nobody makes another of one.
const RUNS_MAX: usize = 40;

/// What somebody does about a question, and when.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) at: Timestamp,
    pub(crate) approval: ApprovalId,
    pub(crate) by: Actor,
    pub(crate) what: Handling,
}

/// What somebody does about a question.
#[derive(Debug, Clone)]
pub(crate) enum Handling {
    /// Answers it.
    Answer(Answer),
    /// Is one of those who must agree.
    Vote(Answer),
    Claim,
    Release,
    Delegate(Vec<String>),
    Comment(String),
}

/// What somebody does about a run that has ended or stands still, and when.
#[derive(Debug, Clone)]
pub(crate) struct Remedy {
    pub(crate) at: Timestamp,
    pub(crate) run: RunId,
    /// How far its journal goes: once about what it says so far.
    pub(crate) seq: u64,
    pub(crate) what: Measure,
}

#[derive(Debug, Clone)]
pub(crate) enum Measure {
    Resume,
    Retry(Option<StepId>),
    Rerun,
    /// With the events up to this one, or to one before it.
    Fork(u64),
}

impl Measure {
    /// Whether there is another run afterwards each time that it is done.
    pub(crate) const fn makes_a_run(&self) -> bool {
        matches!(self, Self::Rerun | Self::Fork(_))
    }
}

impl Remedy {
    /// Whoever does it.
    pub(crate) fn by(&self) -> Actor {
        named(format!("user:{}-{}", self.run, self.seq))
    }
}

pub(crate) fn somebody() -> Actor {
    named("user:ann".into())
}

pub(crate) fn named(name: String) -> Actor {
    Actor { name, groups: Vec::new(), operator: true, via: "simulation".into() }
}

/// What somebody does about a question, of which so much was done before: of what is unknown the truth is said, of
/// anything else what is drawn.
pub(crate) fn reply(seed: u64, open: &OpenApproval, tries: u32, truth: &Truth) -> Option<Reply> {
    let Followed { state, began, .. } = truth.runs.get(&open.run)?;
    let (_, approval) = state.approvals().find(|(id, _)| **id == open.id)?;
    if open.terms.quorum.is_some() {
        return Some(council::reply(seed, open, tries, began));
    }
    let drawn = Digest::of_parts(&[&seed.to_be_bytes(), open.run.as_bytes(), open.title.as_bytes()]);
    let drawn = drawn.as_bytes();
    let done = |call| match truth.acts.get(&(open.run, approval.visit, call)) {
        Some((_, Ok(output))) => ("succeeded", json!({ "output": output })),
        Some((_, Err(_))) | None => ("retry", Value::Null),
    };
    let (action, data) = match approval.asker {
        Asker::UnknownStep => done(None),
        Asker::UnknownCall(call) => done(Some(call)),
        Asker::Step | Asker::Call(_) | Asker::GuardedStep | Asker::GuardedCall(_) => {
            (["approve", "reject"][usize::from(drawn[0] % 2)], Value::Null)
        }
        Asker::BudgetStep | Asker::BudgetCall(_) => ("end", Value::Null),
        Asker::ToolStep | Asker::ToolCall(_) => ("decline", Value::Null),
    };
    let after = Duration(u64::from(u16::from_be_bytes([drawn[1], drawn[2]])) * 20);
    let by = somebody();
    let answer = Answer { action: action.to_owned(), data, by: by.clone(), comment: None };
    let (at, approval) = (open.created_at.after(after), open.id.clone());
    Some(Reply { at, approval, by, what: Handling::Answer(answer) })
}

/// What somebody does about a run as it is now, if anybody does anything.
pub(crate) fn remedy(seed: u64, run: RunId, followed: &Followed, runs: usize) -> Option<Remedy> {
    let Followed { state, head, failed, .. } = followed;
    let status = state.status();
    if status != Status::Suspended && !status.is_final() {
        return None;
    }
    let drawn = Digest::of_parts(&[b"remedy", &seed.to_be_bytes(), run.as_bytes(), &head.seq.to_be_bytes()]);
    let drawn = drawn.as_bytes();
    let number = u64::from(u16::from_be_bytes([drawn[1], drawn[2]]));
    let place = number * 7 % head.seq + 1;
    let what = match (status, drawn[0] % 100) {
        (Status::Suspended, _) => Measure::Resume,
        (Status::Failed, 0..45) => Measure::Retry(None),
        (Status::Failed, 45..55) => Measure::Retry(failed.clone()),
        (_, 55..58) if runs < RUNS_MAX => Measure::Rerun,
        (_, 58..66) if runs < RUNS_MAX => Measure::Fork(place),
        _ => return None,
    };
    // Some at once, some an hour later.
    let after = Duration(if drawn[3].is_multiple_of(4) { number % 5 } else { number * 50 });
    Some(Remedy { at: state.updated_at().after(after), run, seq: head.seq, what })
}
