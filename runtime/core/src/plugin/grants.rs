//! What a step's plugin may do, and the most that it may be granted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::files::{FolderMode, Folders, absolute, common, outside};
use super::{Hosts, split_tool};
use crate::guard::covers;

/// The pattern of all names.
const ALL: &str = "*";

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
    #[serde(skip_serializing_if = "Hosts::is_empty")]
    pub http: Hosts,
    /// Secrets that a tool may send, by the names of the operator's file.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// Folders that a tool may use, each as the workflow writes it.
    #[serde(skip_serializing_if = "Folders::is_empty")]
    pub files: Folders,
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
    pub http: Option<Hosts>,
    /// Secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeSet<String>>,
    /// Folders. In what binds a run each is absolute, and so are those that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Folders>,
    /// Agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<BTreeSet<String>>,
    /// Models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<BTreeSet<String>>,
    /// Signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<BTreeSet<String>>,
    /// Whether agents may ask people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<bool>,
    /// The memories that runs share, by the names of workflows and by keys: `crm/7`, `crm/*`; `*` for all. Where it
    /// names none, an agent has no memory at all, that of its run neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<BTreeSet<String>>,
    /// Whether agents may sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<bool>,
}

impl Ceiling {
    /// The ceiling of what is granted: that much and no more.
    pub fn of(granted: &Permissions) -> Self {
        Self {
            tools: Some(granted.tools.clone()),
            http: Some(granted.http.clone()),
            secrets: Some(granted.secrets.clone()),
            files: Some(granted.files.clone()),
            agents: Some(granted.agents.clone()),
            models: Some(granted.models.clone()),
            signals: Some(granted.signals.clone()),
            human: Some(granted.human),
            memory: Some(granted.memory.then(|| ALL.to_owned()).into_iter().collect()),
            timers: Some(granted.timers),
        }
    }

    /// The same with absolute folders, of a workflow in this folder. Where that is not known there are none.
    #[must_use]
    pub fn based(&self, folder: Option<&str>) -> Self {
        Self { files: self.files.as_ref().map(|files| based(files, folder)), ..self.clone() }
    }

    /// Whether it bounds nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both this and another one let through.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let names = |own: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| {
            both(own.as_ref(), other.as_ref(), |own, other| own.intersection(other).cloned().collect())
        };
        let patterns = |own: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| {
            both(own.as_ref(), other.as_ref(), common_patterns)
        };
        let flags = |own: Option<bool>, other: Option<bool>| {
            both(own.as_ref(), other.as_ref(), |own, other| *own && *other)
        };
        Self {
            tools: patterns(&self.tools, &other.tools),
            http: both(self.http.as_ref(), other.http.as_ref(), Hosts::common),
            secrets: names(&self.secrets, &other.secrets),
            files: both(self.files.as_ref(), other.files.as_ref(), common),
            agents: names(&self.agents, &other.agents),
            models: names(&self.models, &other.models),
            signals: names(&self.signals, &other.signals),
            human: flags(self.human, other.human),
            memory: patterns(&self.memory, &other.memory),
            timers: flags(self.timers, other.timers),
        }
    }

    /// What is granted and lies beyond it, as `kind: value`, or the kind alone.
    pub fn withholds(&self, granted: &Permissions) -> Vec<String> {
        let bounded = |kind: &str, granted: &BTreeSet<String>, ceiling: &Option<BTreeSet<String>>| {
            let beyond =
                ceiling.as_ref().map(|ceiling| granted.difference(ceiling).cloned().collect::<Vec<_>>());
            beyond.into_iter().flatten().map(|name| format!("{kind}: {name}")).collect::<Vec<_>>()
        };
        let tools =
            granted.tools.iter().filter(|tool| !self.lets_tool(tool)).map(|tool| format!("tools: {tool}"));
        let flags = [
            ("human", granted.human && !self.lets_human()),
            ("memory", granted.memory && !self.has_memory()),
            ("timers", granted.timers && !self.lets_timers()),
        ];
        let flags = flags.into_iter().filter(|(_, is_beyond)| *is_beyond).map(|(kind, _)| kind.to_owned());
        tools
            .chain(said("http", self.http.iter().flat_map(|hosts| granted.http.beyond(hosts))))
            .chain(bounded("secrets", &granted.secrets, &self.secrets))
            .chain(said("files", self.files.iter().flat_map(|folders| outside(&granted.files, folders))))
            .chain(bounded("agents", &granted.agents, &self.agents))
            .chain(bounded("models", &granted.models, &self.models))
            .chain(bounded("signals", &granted.signals, &self.signals))
            .chain(flags)
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

    /// Whether an agent may use the memory that runs share under this name: that of a workflow, or a key.
    pub fn lets_memory(&self, name: &str) -> bool {
        self.memory.as_ref().is_none_or(|names| names.iter().any(|pattern| covers(pattern, name)))
    }

    fn has_memory(&self) -> bool {
        self.memory.as_ref().is_none_or(|names| !names.is_empty())
    }

    fn lets_human(&self) -> bool {
        self.human.unwrap_or(true)
    }

    fn lets_timers(&self) -> bool {
        self.timers.unwrap_or(true)
    }

    /// What is granted and lies within it. Folders are as they were: which they are is known where the folder of the
    /// workflow is, and narrowed there.
    #[must_use]
    pub fn narrow(&self, granted: &Permissions) -> Permissions {
        let keep = |granted: &BTreeSet<String>, ceiling: &Option<BTreeSet<String>>| match ceiling {
            Some(ceiling) => granted.intersection(ceiling).cloned().collect(),
            None => granted.clone(),
        };
        let tools = match &self.tools {
            Some(tools) => common_patterns(&granted.tools, tools),
            None => granted.tools.clone(),
        };
        Permissions {
            tools,
            http: self.http.as_ref().map_or_else(|| granted.http.clone(), |hosts| granted.http.common(hosts)),
            secrets: keep(&granted.secrets, &self.secrets),
            agents: keep(&granted.agents, &self.agents),
            models: keep(&granted.models, &self.models),
            signals: keep(&granted.signals, &self.signals),
            human: granted.human && self.lets_human(),
            memory: granted.memory && self.has_memory(),
            timers: granted.timers && self.lets_timers(),
            files: granted.files.clone(),
        }
    }
}

fn based(files: &Folders, folder: Option<&str>) -> Folders {
    let mut all = Folders::new();
    for (path, mode) in
        folder.into_iter().flat_map(|folder| files.iter().map(move |(p, m)| (absolute(folder, p), *m)))
    {
        let most = all.get(&path).map_or(mode, |known: &FolderMode| mode.max(*known));
        all.insert(path, most);
    }
    all
}

/// What is common to two bounds, of which either may be none.
fn both<T: Clone>(own: Option<&T>, other: Option<&T>, common: impl Fn(&T, &T) -> T) -> Option<T> {
    match (own, other) {
        (Some(own), Some(other)) => Some(common(own, other)),
        (own, other) => own.or(other).cloned(),
    }
}

fn said(kind: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().map(|name| format!("{kind}: {name}")).collect()
}

/// What both lists have: of two patterns the narrower one.
fn common_patterns(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    let within = |inner: &BTreeSet<String>, outer: &BTreeSet<String>| -> Vec<String> {
        inner.iter().filter(|name| outer.iter().any(|pattern| covers(pattern, name))).cloned().collect()
    };
    within(one, other).into_iter().chain(within(other, one)).collect()
}

impl Permissions {
    /// Whether a tool, `orders.lookup`, is among those granted.
    pub fn allows_tool(&self, name: &str) -> bool {
        self.tools.contains(name)
            || split_tool(name).is_some_and(|(plugin, _)| self.tools.contains(&format!("{plugin}.*")))
    }

    /// The same with absolute folders, of a workflow in this folder.
    #[must_use]
    pub fn based(&self, folder: Option<&str>) -> Self {
        Self { files: based(&self.files, folder), ..self.clone() }
    }

    /// What stands here and is not covered by `ceiling`, as `kind: value`; empty when it only narrows.
    pub fn beyond(&self, ceiling: &Self) -> Vec<String> {
        let tools = self.tools.iter().filter(|tool| !ceiling.allows_tool(tool));
        let secrets = self.secrets.difference(&ceiling.secrets);
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
            .chain(said("http", self.http.beyond(&ceiling.http)))
            .chain(secrets.map(|secret| format!("secrets: {secret}")))
            .chain(said("files", outside(&self.files, &ceiling.files)))
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
    fn the_tools_of_one_server_are_not_those_of_another() {
        let granted = Permissions { tools: ["mcp.files.*".to_owned()].into(), ..Permissions::default() };
        assert!(granted.allows_tool("mcp.files.read_file") && granted.allows_tool("mcp.files.a.b"));
        assert!(!granted.allows_tool("mcp.mail.send") && !granted.allows_tool("files.read_file"));
        let wide = Permissions { tools: ["mcp.*".to_owned()].into(), ..Permissions::default() };
        assert!(!wide.allows_tool("mcp.files.read_file"), "servers are granted one by one");
    }
}
