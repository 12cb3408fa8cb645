//! Who answers what is asked, and when.

use pawl_core::event::{Actor, Asker};
use pawl_core::view::OpenApproval;
use pawl_core::{ApprovalId, Digest, Duration, Timestamp};
use pawl_engine::Answer;
use serde_json::{Value, json};

use crate::ground::Truth;

/// An answer, and when it comes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) at: Timestamp,
    pub(crate) approval: ApprovalId,
    pub(crate) answer: Answer,
}

pub(crate) fn somebody() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "simulation".into() }
}

/// The answer to a question: of what is unknown the truth, of anything else what is drawn.
pub(crate) fn reply(seed: u64, open: &OpenApproval, truth: &Truth) -> Option<Reply> {
    let state = &truth.runs.get(&open.run)?.state;
    let (_, approval) = state.approvals().find(|(id, _)| **id == open.id)?;
    let drawn = Digest::of_parts(&[&seed.to_be_bytes(), open.run.as_bytes(), open.title.as_bytes()]);
    let drawn = drawn.as_bytes();
    let done = |call| match truth.acts.get(&(open.run, approval.visit, call)) {
        Some((_, Ok(output))) => ("succeeded", json!({ "output": output })),
        Some((_, Err(_))) | None => ("retry", Value::Null),
    };
    let (action, data) = match approval.asker {
        Asker::UnknownStep => done(None),
        Asker::UnknownCall(call) => done(Some(call)),
        Asker::Step | Asker::Call(_) => (["approve", "reject"][usize::from(drawn[0] % 2)], Value::Null),
    };
    let after = Duration(u64::from(u16::from_be_bytes([drawn[1], drawn[2]])) * 20);
    let answer = Answer { action: action.to_owned(), data, by: somebody(), comment: None };
    Some(Reply { at: open.created_at.after(after), approval: open.id.clone(), answer })
}
