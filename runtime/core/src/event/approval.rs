//! What is recorded of an approval.

use serde::{Deserialize, Serialize};

use super::{Actor, Payload};
use crate::call::Question;
use crate::{ApprovalId, Digest, Timestamp, VisitId};

/// What an approval is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// A `human` step.
    Step,
    /// An agent's `human.ask`: the number of the call.
    Call(u32),
    /// pawl itself: the outcome of an `at-most-once` tool step is unknown.
    UnknownStep,
    /// pawl itself: the outcome of an agent's call of an `at-most-once` tool is unknown.
    UnknownCall(u32),
    /// pawl itself: a rule guards the tool of a tool step.
    GuardedStep,
    /// pawl itself: a rule guards the tool that an agent calls.
    GuardedCall(u32),
    /// pawl itself: an attempt of a tool step does not fit into a budget.
    BudgetStep,
    /// pawl itself: an agent's call does not fit into a budget.
    BudgetCall(u32),
    /// The tool of a tool step: its MCP server wants an answer before it goes on.
    ToolStep,
    /// The tool that an agent calls: the number of the call.
    ToolCall(u32),
}

/// An approval as it was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalOpened {
    /// The visit that waits.
    pub visit: VisitId,
    /// Its unguessable id.
    pub approval: ApprovalId,
    /// What it is about.
    pub asker: Asker,
    /// What is asked.
    pub question: Question,
    /// SHA-256 of the question's canonical JSON: what is decided is what was shown.
    pub digest: Digest,
    /// When `on_timeout` is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Who may not answer by `not_by`, by name, as far as is known. Whoever answers a step that it names while this
    /// is open may not either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

/// An approval's end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalDecided {
    /// Which.
    pub approval: ApprovalId,
    /// What was chosen.
    pub action: String,
    /// What was filled into the form.
    pub data: Payload,
    /// Who, through which door.
    pub by: Actor,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What an approved guarded call is made with, SHA-256 of its tool and arguments: other than what was asked
    /// about where the arguments were edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executes: Option<Digest>,
    /// In whose place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}
