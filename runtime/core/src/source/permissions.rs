//! `permissions`, of a workflow and of its steps: a step only narrows.

use std::collections::BTreeSet;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::Node;
use crate::diagnostic::Code;
use crate::language::PERMISSIONS;
use crate::plugin::{Permissions, split_tool};

/// Reads `permissions`.
pub(super) fn permissions(lower: &mut Lower, node: &Node) -> Permissions {
    let Some(keys) = lower.map(node, &PERMISSIONS) else { return Permissions::default() };
    Permissions {
        tools: get(keys, "tools").map(|node| tools(lower, node)).unwrap_or_default(),
        http: get(keys, "http").map(|node| hosts(lower, node)).unwrap_or_default(),
        agents: get(keys, "agents")
            .map(|node| names(lower, node, "agents", ("an agent", "-")))
            .unwrap_or_default(),
        signals: get(keys, "signals")
            .map(|node| names(lower, node, "signals", ("a signal", "-.")))
            .unwrap_or_default(),
        models: get(keys, "models")
            .map(|node| names(lower, node, "models", ("a model", "-")))
            .unwrap_or_default(),
        human: flag(lower, keys, "human"),
        memory: flag(lower, keys, "memory"),
        timers: flag(lower, keys, "timers"),
    }
}

fn flag(lower: &mut Lower, keys: Keys<'_>, key: &str) -> bool {
    get(keys, key).and_then(|node| lower.flag(node, key)).unwrap_or_default()
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
        if let Some((plugin, _)) = split_tool(tool) {
            if lower.plugin(plugin, &span) {
                tools.insert(tool.to_owned());
            }
        } else {
            let message = format!("'{tool}' names no tool");
            let help = format!("write plugin.tool, or {tool}.* for all of a plugin");
            lower.report(Code::InvalidValue, &span, message, Some(help));
        }
    }
    tools
}

/// Names of one kind, which may have these signs in them beside letters, digits and `_`.
fn names(lower: &mut Lower, node: &Node, key: &str, (kind, signs): (&str, &str)) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, span) in lower.texts(node, key) {
        if lower.name(name, &span, kind, signs) {
            names.insert(name.to_owned());
        }
    }
    names
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
