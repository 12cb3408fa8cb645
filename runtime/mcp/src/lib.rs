//! The MCP servers of pawl: what an operator's `pawl.yaml` names, started, asked and closed.
//!
//! Nothing here knows of runs. An engine asks what tools a server has, calls one of them with the description
//! that a run was started with, and records what it gets. Servers are started when somebody asks, and are gone
//! when nobody has for a while; no process of theirs outlives pawl's own end. Values that the operator keeps
//! elsewhere are read when a server is started or a request is made, and whatever a server says is searched for
//! them before anybody sees it.

#![warn(missing_docs)]

mod asking;
mod connect;
mod describe;
mod error;
mod handler;
mod http;
mod hub;
mod live;
mod program;
mod result;
mod server;
mod talk;
mod value;
mod watcher;

use std::fmt::Debug;

use async_trait::async_trait;
use pawl_core::Failure;
use pawl_core::elicit::ToolAsks;
use pawl_core::plugin::ToolDescription;
use pawl_core::state::{Dialogue, ToolAnswer};
use serde_json::Value;

pub use describe::{MCP_DESCRIPTION_MAX_BYTES, MCP_TOOLS_MAX, undescribed};
pub use error::McpError;
pub use hub::Hub;
pub use live::MCP_MESSAGE_MAX_BYTES;
pub use program::end_all;
pub use server::{MCP_CALLS_AT_ONCE_MAX, MCP_FAULTS_MAX, MCP_FAULTS_WINDOW_MS};
pub use talk::{MCP_QUESTION_MAX_BYTES, MCP_QUESTIONS_MAX};

/// One call of a tool.
#[derive(Debug, Clone, Copy)]
pub struct McpCall<'a> {
    /// The server, by the operator's name.
    pub server: &'a str,
    /// The tool as it was described when the run started.
    pub tool: &'a ToolDescription,
    /// Its arguments.
    pub arguments: &'a Value,
    /// The key that is the same for every try of one call, across crashes.
    pub key: &'a str,
    /// What it has asked before, and what it was answered.
    pub dialogue: Option<&'a Dialogue>,
}

impl<'a> McpCall<'a> {
    /// What people have answered.
    pub(crate) fn answers(&self) -> &'a [ToolAnswer] {
        self.dialogue.map_or(&[], |dialogue| &dialogue.answers)
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum McpEnd {
    /// What the tool gave.
    Result(Value),
    /// It asks a person first, and is to be called again with the answers. Whether its server waits meanwhile is no
    /// matter of the caller's.
    Asks(ToolAsks),
}

/// Where an engine's calls of MCP tools go.
#[async_trait]
pub trait Servers: Debug + Send + Sync + 'static {
    /// The names of the servers, sorted.
    fn names(&self) -> Vec<String>;

    /// The tools of a server as they are now, sorted by name. Starts it, if it does not run.
    async fn describe(&self, server: &str) -> Result<Vec<ToolDescription>, Failure>;

    /// Calls a tool. Dropping the future gives the call up.
    async fn call(&self, call: McpCall<'_>) -> Result<McpEnd, Failure>;

    /// Closes all servers. A call that comes later starts its server again.
    async fn close(&self);
}
