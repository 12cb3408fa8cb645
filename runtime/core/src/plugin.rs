//! What the core knows of plugins: their description, their pins, what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;
use crate::guard::covers;

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
    /// Its plugins.
    pub plugins: Arc<PluginPins>,
    /// The workflows that it may start itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: WorkflowPins,
}

/// The workflows that a run may start, by the names that its definition gives them.
pub type WorkflowPins = BTreeMap<String, WorkflowPin>;

/// What a step's plugin may do. Everything is denied unless it stands here; `log`, `clock` and
/// `random` are always there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Tools an agent may call: `orders.lookup`, or `orders.*` for all of a plugin; `mcp.files.*` for those of
    /// an MCP server.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tools: BTreeSet<String>,
    /// Hosts a tool may send requests to, `api.example.com` or `127.0.0.1:8080`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<String>,
    /// Agents that an agent may call, or hand its task over to.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub agents: BTreeSet<String>,
    /// Signals that an agent may wait for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub signals: BTreeSet<String>,
    /// Models that an agent may ask, by the names of the operator's profiles.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub models: BTreeSet<String>,
    /// Whether an agent may ask people.
    pub human: bool,
    /// Whether an agent may keep memory in the run.
    pub memory: bool,
    /// Whether an agent may sleep.
    pub timers: bool,
}

/// The most that steps may be granted; a kind that is absent is not bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ceiling {
    /// Tools, as in [`Permissions::tools`]; `*` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<BTreeSet<String>>,
    /// Hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<BTreeSet<String>>,
    /// Agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<BTreeSet<String>>,
    /// Models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<BTreeSet<String>>,
}

impl Ceiling {
    /// The ceiling of what is granted: that much and no more.
    pub fn of(granted: &Permissions) -> Self {
        Self {
            tools: Some(granted.tools.clone()),
            http: Some(granted.http.clone()),
            agents: Some(granted.agents.clone()),
            models: Some(granted.models.clone()),
        }
    }

    /// Whether it bounds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both this and another one let through.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let tools = match (&self.tools, &other.tools) {
            (Some(own), Some(other)) => Some(common_tools(own, other)),
            (own, other) => own.clone().or_else(|| other.clone()),
        };
        let common = |own: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| match (own, other) {
            (Some(own), Some(other)) => Some(own.intersection(other).cloned().collect()),
            (own, other) => own.clone().or_else(|| other.clone()),
        };
        Self {
            tools,
            http: common(&self.http, &other.http),
            agents: common(&self.agents, &other.agents),
            models: common(&self.models, &other.models),
        }
    }

    /// What is granted and lies beyond it, as `kind: value`.
    pub fn withholds(&self, granted: &Permissions) -> Vec<String> {
        let bounded = |kind: &str, granted: &BTreeSet<String>, ceiling: &Option<BTreeSet<String>>| {
            let beyond =
                ceiling.as_ref().map(|ceiling| granted.difference(ceiling).cloned().collect::<Vec<_>>());
            beyond.into_iter().flatten().map(|name| format!("{kind}: {name}")).collect::<Vec<_>>()
        };
        let tools =
            granted.tools.iter().filter(|tool| !self.lets_tool(tool)).map(|tool| format!("tools: {tool}"));
        tools
            .chain(bounded("http", &granted.http, &self.http))
            .chain(bounded("agents", &granted.agents, &self.agents))
            .chain(bounded("models", &granted.models, &self.models))
            .collect()
    }

    /// Whether a tool, or all of a plugin, lies within it.
    pub fn lets_tool(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|pattern| covers(pattern, tool)))
    }

    /// Whether a step may be the work of an agent.
    pub fn lets_agent(&self, agent: &str) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.contains(agent))
    }

    /// What is granted and lies within it.
    #[must_use]
    pub fn narrow(&self, granted: &Permissions) -> Permissions {
        let keep = |granted: &BTreeSet<String>, ceiling: &Option<BTreeSet<String>>| match ceiling {
            Some(ceiling) => granted.intersection(ceiling).cloned().collect(),
            None => granted.clone(),
        };
        let tools = match &self.tools {
            Some(tools) => common_tools(&granted.tools, tools),
            None => granted.tools.clone(),
        };
        Permissions {
            tools,
            http: keep(&granted.http, &self.http),
            agents: keep(&granted.agents, &self.agents),
            models: keep(&granted.models, &self.models),
            ..granted.clone()
        }
    }
}

/// The tools that both lists have: of two patterns the narrower one.
fn common_tools(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    let within = |inner: &BTreeSet<String>, outer: &BTreeSet<String>| -> Vec<String> {
        inner.iter().filter(|tool| outer.iter().any(|pattern| covers(pattern, tool))).cloned().collect()
    };
    within(one, other).into_iter().chain(within(other, one)).collect()
}

impl Permissions {
    /// Whether a tool, `orders.lookup`, is among those granted.
    pub fn allows_tool(&self, name: &str) -> bool {
        self.tools.contains(name)
            || split_tool(name).is_some_and(|(plugin, _)| self.tools.contains(&format!("{plugin}.*")))
    }

    /// What stands here and is not covered by `ceiling`, as `kind: value`; empty when it only narrows.
    pub fn beyond(&self, ceiling: &Self) -> Vec<String> {
        let tools = self.tools.iter().filter(|tool| !ceiling.allows_tool(tool));
        let http = self.http.difference(&ceiling.http);
        let agents = self.agents.difference(&ceiling.agents);
        let signals = self.signals.difference(&ceiling.signals);
        let models = self.models.difference(&ceiling.models);
        let flags = [
            ("human", self.human, ceiling.human),
            ("memory", self.memory, ceiling.memory),
            ("timers", self.timers, ceiling.timers),
        ];
        tools
            .map(|tool| format!("tools: {tool}"))
            .chain(http.map(|host| format!("http: {host}")))
            .chain(agents.map(|agent| format!("agents: {agent}")))
            .chain(signals.map(|signal| format!("signals: {signal}")))
            .chain(models.map(|model| format!("models: {model}")))
            .chain(
                flags
                    .into_iter()
                    .filter(|(_, wanted, granted)| *wanted && !granted)
                    .map(|(name, ..)| name.to_owned()),
            )
            .collect()
    }
}

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

    #[test]
    fn the_tools_of_one_server_are_not_those_of_another() {
        let granted = Permissions { tools: ["mcp.files.*".to_owned()].into(), ..Permissions::default() };
        assert!(granted.allows_tool("mcp.files.read_file") && granted.allows_tool("mcp.files.a.b"));
        assert!(!granted.allows_tool("mcp.mail.send") && !granted.allows_tool("files.read_file"));
        let wide = Permissions { tools: ["mcp.*".to_owned()].into(), ..Permissions::default() };
        assert!(!wide.allows_tool("mcp.files.read_file"), "servers are granted one by one");
    }
}
