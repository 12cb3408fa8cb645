//! What a tool asks a person before it goes on: questions of MCP servers (elicitation).
//!
//! A call that asks is over for pawl, and is made again when a person has answered. What was answered goes with it:
//! a server that keeps the call open gets it at once, one that gave its state back gets the state and the answers,
//! and one that is called from its beginning gets each answer when it asks the same again. So a run that waits
//! needs neither a process nor the server, however long.

use serde_json::Value;

use crate::event::ToolQuestion;
use crate::view::OpenApproval;

/// The person answers, with what the form asks for.
pub const ACCEPT: &str = "accept";
/// The person gives no answer, and the tool may go on without.
pub const DECLINE: &str = "decline";
/// The person wants the tool to stop.
pub const CANCEL: &str = "cancel";
/// What can be chosen.
pub const ACTIONS: [&str; 3] = [ACCEPT, DECLINE, CANCEL];
/// The field of a question's subject that names the server.
pub const SERVER: &str = "server";

/// What a call asks before it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAsks {
    /// At least one question; they are asked one after the other.
    pub questions: Vec<ToolQuestion>,
    /// What the server wants back with the answers.
    pub state: Option<String>,
}

/// Whether the form of an approval is filled in with an action: a server's question is declined without an answer.
pub fn takes_form(open: &OpenApproval, action: &str) -> bool {
    let is_servers =
        open.subject.as_ref().and_then(|subject| subject.get(SERVER)).is_some_and(Value::is_string);
    !is_servers || open.actions != ACTIONS || action == ACCEPT
}
