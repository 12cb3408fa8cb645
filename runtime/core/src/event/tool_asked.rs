//! What is recorded of a tool that asks a person.

use serde::{Deserialize, Serialize};

use crate::call::{CallRequest, Question};
use crate::{Digest, VisitId};

/// A call that asked before it was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolAsked {
    /// The visit.
    pub visit: VisitId,
    /// The agent's call; absent for a tool step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// What the agent asked; absent when `CallStarted` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<CallRequest>,
    /// What it asks, in the order in which it is asked.
    pub questions: Vec<ToolQuestion>,
    /// What the server wants back with the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// One question of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolQuestion {
    /// The server's name for it; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// SHA-256 of what the server asks, message and form: by it the same question is known again.
    pub digest: Digest,
    /// As a person is asked it.
    pub question: Question,
}
