//! `permissions`, of a workflow and of its steps: a step only narrows.

use std::collections::BTreeSet;

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Node, Span};
use crate::diagnostic::{Code, among};
use crate::language::{FOLDER, HOST, PERMISSIONS};
use crate::plugin::{FolderMode, Folders, Hosts, METHODS, Methods, Permissions, is_host, split_tool};

/// The most folders of one list.
pub(super) const FOLDERS_MAX: usize = 100;
/// The longest path of a folder.
const PATH_MAX_BYTES: usize = 4_096;

/// Reads `permissions`.
pub(super) fn permissions(lower: &mut Lower, node: &Node) -> Permissions {
    let Some(keys) = lower.map(node, &PERMISSIONS) else { return Permissions::default() };
    Permissions {
        tools: get(keys, "tools").map(|node| tools(lower, node)).unwrap_or_default(),
        http: get(keys, "http").map(|node| hosts(lower, node)).unwrap_or_default(),
        secrets: get(keys, "secrets")
            .map(|node| names(lower, node, "secrets", ("a secret", "-")))
            .unwrap_or_default(),
        files: get(keys, "files").map(|node| folders(lower, node)).unwrap_or_default(),
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

/// Hosts, each with the methods of requests to it.
pub(super) fn hosts(lower: &mut Lower, node: &Node) -> Hosts {
    let mut hosts = Hosts::default();
    for item in one_or_more(node) {
        if item.as_map().is_none() {
            for (host, span) in lower.texts(item, "http") {
                if host_is_one(lower, host, &span) {
                    hosts.add(host, Methods::All);
                }
            }
            continue;
        }
        let Some(keys) = lower.map(item, &HOST) else { continue };
        let host = lower.required(keys, "host", &item.span).and_then(|node| {
            let host = lower.text(node, "host")?;
            host_is_one(lower, host, &node.span).then_some(host)
        });
        let methods = lower.required(keys, "methods", &item.span).map(|node| methods(lower, node));
        if let (Some(host), Some(methods)) = (host, methods) {
            hosts.add(host, Methods::These(methods));
        }
    }
    hosts
}

fn one_or_more(node: &Node) -> &[Node] {
    node.as_list().unwrap_or_else(|| std::slice::from_ref(node))
}

fn host_is_one(lower: &mut Lower, host: &str, span: &Span) -> bool {
    let good = is_host(host);
    if !good {
        let message = format!("'{host}' is not a host");
        let help = "write the host alone, api.example.com or 127.0.0.1:8080".to_owned();
        lower.report(Code::InvalidValue, span, message, Some(help));
    }
    good
}

fn methods(lower: &mut Lower, node: &Node) -> BTreeSet<String> {
    let mut methods = BTreeSet::new();
    for (method, span) in lower.texts(node, "methods") {
        if METHODS.contains(&method) {
            methods.insert(method.to_owned());
        } else {
            let help = among(method, "methods are", METHODS)
                .or_else(|| Some("write the host as a text where all methods are meant".to_owned()));
            let message = format!("'{method}' is not a method that can be granted by itself");
            lower.report(Code::InvalidValue, &span, message, help);
        }
    }
    if methods.is_empty() {
        let help = Some("name one, or write the host as a text for all".to_owned());
        lower.report(Code::InvalidValue, &node.span, "methods names no method", help);
    }
    methods
}

/// Folders, each with what may be done in it.
pub(super) fn folders(lower: &mut Lower, node: &Node) -> Folders {
    let mut folders = Folders::new();
    for item in one_or_more(node) {
        let Some(keys) = lower.map(item, &FOLDER) else { continue };
        let mode = get(keys, "mode").and_then(|node| mode(lower, node)).unwrap_or(FolderMode::Read);
        let Some(at) = lower.required(keys, "path", &item.span) else { continue };
        let Some(path) = lower.text(at, "path") else { continue };
        if path.trim().is_empty() || path.contains(char::is_control) || path.len() > PATH_MAX_BYTES {
            let help = Some(format!("write a path such as ./data; at most {PATH_MAX_BYTES} bytes"));
            lower.report(Code::InvalidValue, &at.span, "the path of a folder cannot be this", help);
        } else if folders.insert(path.to_owned(), mode).is_some() {
            let help = Some("take one of them out".to_owned());
            lower.report(Code::InvalidValue, &at.span, format!("'{path}' stands here twice"), help);
        }
    }
    if folders.len() > FOLDERS_MAX {
        let message = format!("there are {} folders", folders.len());
        let help = Some(format!("folders_max is {FOLDERS_MAX}"));
        lower.report(Code::OutOfRange, &node.span, message, help);
    }
    folders
}

fn mode(lower: &mut Lower, node: &Node) -> Option<FolderMode> {
    let text = lower.text(node, "mode")?;
    let all = [FolderMode::Read, FolderMode::Write];
    let mode = all.into_iter().find(|mode| mode.name() == text);
    if mode.is_none() {
        let help = among(text, "modes are", all.map(FolderMode::name));
        lower.report(Code::InvalidValue, &node.span, format!("there is no mode '{text}'"), help);
    }
    mode
}
