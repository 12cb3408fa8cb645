//! What the core knows of plugins: their description, their pins, what they may do.

mod files;
mod grants;
mod hosts;

pub use files::{FolderMode, Folders, Mount, is_within};
pub(crate) use files::{absolute, around};
pub use grants::{Ceiling, Permissions};
pub(crate) use hosts::is_host;
pub use hosts::{Hosts, METHODS, Methods};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;

/// The two kinds of plugin, one WIT world each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Gives tools.
    Tool,
    /// Decides, calls tools, asks people.
    Agent,
}

impl PluginKind {
    /// The name as it stands in `plugin.toml` and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Agent => "agent",
        }
    }
}

/// What happens outside when a tool is called, and so what may happen after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// Changes nothing outside.
    Pure,
    /// Once for each idempotency key.
    Idempotent,
    /// Must not be called twice; an open outcome goes to a person.
    AtMostOnce,
}

impl EffectClass {
    /// The name as it stands in descriptions and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::AtMostOnce => "at-most-once",
        }
    }
}

/// One tool of a tool plugin, as the component describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDescription {
    /// The name after the dot.
    pub name: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
    /// JSON Schema of the result.
    pub output_schema: Value,
    /// What may happen after a crash.
    pub effect: EffectClass,
}

/// An agent plugin, as the component describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentDescription {
    /// One line.
    pub summary: String,
    /// What it can do, for routes.
    pub capabilities: Vec<String>,
    /// JSON Schema of the step's `with`.
    pub input_schema: Value,
    /// JSON Schema of the result.
    pub output_schema: Value,
}

/// An agent as `agents.list` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedAgent {
    /// Its name, as `agents.call` takes it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// JSON Schema of its task.
    pub input_schema: Value,
    /// JSON Schema of its result.
    pub output_schema: Value,
}

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Description {
    /// The tools of a tool plugin.
    Tools(Vec<ToolDescription>),
    /// An agent plugin.
    Agent(AgentDescription),
}

impl Description {
    /// The kind of plugin that says this.
    pub const fn kind(&self) -> PluginKind {
        match self {
            Self::Tools(_) => PluginKind::Tool,
            Self::Agent(_) => PluginKind::Agent,
        }
    }

    /// The tool of this name, if it is one of the plugin's.
    pub fn tool(&self, name: &str) -> Option<&ToolDescription> {
        match self {
            Self::Tools(tools) => tools.iter().find(|tool| tool.name == name),
            Self::Agent(_) => None,
        }
    }
}

/// Where a component was found; the journal says which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginOrigin {
    /// Named by the workflow's `plugins`.
    Workflow(String),
    /// In the plugin folder of the data folder.
    Folder(String),
    /// Embedded in the binary.
    Shipped,
    /// An MCP server, by its name in the operator's file.
    Mcp(String),
    /// In a registry, `oci://…@sha256:…`.
    Registry(String),
    /// Given by the operator's file to every workflow: a path, or `oci://…@sha256:…`.
    Operator(String),
}

/// What the names of plugins begin with that are MCP servers: `mcp.files`.
pub const MCP_PREFIX: &str = "mcp.";

/// A tool's name taken apart, `orders.lookup` or `mcp.files.read_file`: the plugin, and its tool. Behind an MCP
/// server's name a tool may have dots of its own.
pub fn split_tool(name: &str) -> Option<(&str, &str)> {
    let server = name.strip_prefix(MCP_PREFIX).and_then(|rest| rest.find('.'));
    let at = match server {
        Some(dot) => MCP_PREFIX.len() + dot,
        None => name.find('.')?,
    };
    let (plugin, tool) = (&name[..at], &name[at + 1..]);
    (!plugin.is_empty() && plugin != MCP_PREFIX && !tool.is_empty()).then_some((plugin, tool))
}

/// A plugin as a run started with it: the bytes never change for that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPin {
    /// SHA-256 of the component.
    pub component: Digest,
    /// Where it came from.
    pub origin: PluginOrigin,
    /// What it says of itself.
    pub description: Description,
    /// The limits that its manifest sets for itself, by name, each in the unit the name ends in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// What its manifest calls it, where the workflow calls it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
}

/// The plugins that a run started with, by name.
pub type PluginPins = BTreeMap<String, PluginPin>;

/// A workflow that a run may start, as it stood when the run started: it never changes for that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowPin {
    /// The workflow's own name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of the definition's source.
    pub definition: Digest,
    /// The folder of its file, where it grants files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its plugins.
    pub plugins: Arc<PluginPins>,
    /// The workflows that it may start itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: WorkflowPins,
}

/// The workflows that a run may start, by the names that its definition gives them.
pub type WorkflowPins = BTreeMap<String, WorkflowPin>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_tool_is_taken_apart_behind_its_plugin() {
        for (name, parts) in [
            ("orders.lookup", Some(("orders", "lookup"))),
            ("orders.look.up", Some(("orders", "look.up"))),
            ("mcp.files.read_file", Some(("mcp.files", "read_file"))),
            ("mcp.files.a/b-c.d", Some(("mcp.files", "a/b-c.d"))),
            ("mcp.files.*", Some(("mcp.files", "*"))),
            ("mcp.files", Some(("mcp", "files"))),
            ("mcp..x", None),
            ("mcp.files.", None),
            (".x", None),
            ("orders.", None),
            ("orders", None),
        ] {
            assert_eq!(split_tool(name), parts, "{name}");
        }
    }
}
