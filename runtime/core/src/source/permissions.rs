//! `permissions`, of a workflow and of its steps: a step only narrows.

use std::collections::BTreeSet;

use super::lower::Lower;
use super::tree::Node;
use crate::diagnostic::Code;
use crate::plugin::Permissions;

/// The keys of `permissions`.
const KEYS: [&str; 5] = ["tools", "http", "human", "memory", "timers"];

/// Reads `permissions`.
pub(super) fn permissions(lower: &mut Lower, node: &Node) -> Permissions {
    let mut permissions = Permissions::default();
    for entry in lower.map(node, "permissions", &KEYS).unwrap_or_default() {
        let value = &entry.value;
        match entry.key.as_str() {
            "tools" => permissions.tools = tools(lower, value),
            "http" => permissions.http = hosts(lower, value),
            "human" => permissions.human = lower.flag(value, "human").unwrap_or_default(),
            "memory" => permissions.memory = lower.flag(value, "memory").unwrap_or_default(),
            "timers" => permissions.timers = lower.flag(value, "timers").unwrap_or_default(),
            _ => {}
        }
    }
    permissions
}

/// A step's own permissions, within the workflow's; the workflow's where it has none.
pub(super) fn narrowed(lower: &mut Lower, node: Option<&Node>) -> Permissions {
    let Some(node) = node else { return lower.ceiling.clone().unwrap_or_default() };
    let own = permissions(lower, node);
    if let Some(ceiling) = &lower.ceiling {
        let beyond = own.beyond(ceiling);
        if !beyond.is_empty() {
            let message = format!("the step takes what the workflow does not have: {}", beyond.join("; "));
            let help = "add it to the workflow's `permissions`, or take it out here".to_owned();
            lower.report(Code::BeyondPermissions, &node.span, message, Some(help));
        }
    }
    own
}

fn tools(lower: &mut Lower, node: &Node) -> BTreeSet<String> {
    let mut tools = BTreeSet::new();
    for (tool, span) in lower.texts(node, "tools") {
        let good = tool.split_once('.').is_some_and(|(plugin, name)| !plugin.is_empty() && !name.is_empty());
        if good {
            tools.insert(tool.to_owned());
        } else {
            let message = format!("'{tool}' names no tool");
            let help = format!("write plugin.tool, or {tool}.* for all of a plugin");
            lower.report(Code::InvalidValue, &span, message, Some(help));
        }
    }
    tools
}

fn hosts(lower: &mut Lower, node: &Node) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for (host, span) in lower.texts(node, "http") {
        if host.is_empty() || host.contains(['/', ' ', '*', '@']) {
            let message = format!("'{host}' is not a host");
            let help = "write the host alone, api.example.com or 127.0.0.1:8080".to_owned();
            lower.report(Code::InvalidValue, &span, message, Some(help));
        } else {
            hosts.insert(host.to_owned());
        }
    }
    hosts
}
