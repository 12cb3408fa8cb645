//! The MCP servers of `pawl.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::human::{due, people};
use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Entry, Node, Span};
use super::profile::{filled, filled_key};
use super::{MCP_SERVERS_MAX, some_time};
use crate::Duration;
use crate::diagnostic::{Code, among};
use crate::elicit::ACTIONS;
use crate::language::operator::{MCP_ELICITATION, MCP_SERVER, MCP_VALUE};
use crate::operator::{Elicitation, KeptValue, KeyPlace, McpReached, McpServer, McpValue};
use crate::plugin::EffectClass;

const TIMEOUT_DEFAULT: Duration = Duration(60_000);
const IDLE_DEFAULT: Duration = Duration(300_000);
const HOLD_DEFAULT: Duration = Duration(600_000);
/// Keys that only a program has, and those that only a server behind an address has.
const OF_PROGRAMS: [&str; 3] = ["args", "env", "cwd"];
const OF_ADDRESSES: [&str; 1] = ["headers"];
/// Headers that the protocol sets itself.
const OWN_HEADERS: [&str; 11] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// Reads the servers, by name.
pub(super) fn servers(lower: &mut Lower, node: &Node) -> BTreeMap<String, McpServer> {
    let entries = named(lower, node, "mcp");
    if entries.len() > MCP_SERVERS_MAX {
        let message = format!("there are {} MCP servers", entries.len());
        let help = format!("mcp_servers_max is {MCP_SERVERS_MAX}");
        lower.report(Code::OutOfRange, &node.span, message, Some(help));
        return BTreeMap::new();
    }
    let mut servers = BTreeMap::new();
    for entry in entries {
        if lower.name(&entry.key, &entry.key_span, "an MCP server", "-")
            && let Some(server) = server(lower, &entry.value)
        {
            servers.insert(entry.key.clone(), server);
        }
    }
    servers
}

/// The entries of a map with names that are chosen freely.
fn named<'n>(lower: &mut Lower, node: &'n Node, what: &str) -> Vec<&'n Entry> {
    let entries = lower.any_map(node, what).unwrap_or_default();
    entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect()
}

fn server(lower: &mut Lower, node: &Node) -> Option<McpServer> {
    let keys = lower.map(node, &MCP_SERVER)?;
    let reached = reached(lower, keys, &node.span);
    let tools = get(keys, "tools").map(|node| tools(lower, node));
    let effects = get(keys, "effects").map(|node| effects(lower, node, tools.as_ref()));
    let trust_annotations =
        get(keys, "trust_annotations").and_then(|node| lower.flag(node, "trust_annotations"));
    let timeout = some_time(lower, keys, "timeout").unwrap_or(TIMEOUT_DEFAULT);
    let idle = some_time(lower, keys, "idle").unwrap_or(IDLE_DEFAULT);
    let elicitation = elicitation(lower, get(keys, "elicitation"));
    Some(McpServer {
        reached: reached?,
        tools,
        effects: effects.unwrap_or_default(),
        trust_annotations: trust_annotations.unwrap_or_default(),
        timeout,
        idle,
        elicitation,
    })
}

/// Whether it may ask people, and whom.
fn elicitation(lower: &mut Lower, node: Option<&Node>) -> Option<Elicitation> {
    let asks = Elicitation { to: Vec::new(), due: None, hold: HOLD_DEFAULT };
    let Some(node) = node else { return Some(asks) };
    if node.as_map().is_none() {
        return lower.flag(node, "elicitation")?.then_some(asks);
    }
    let keys = lower.map(node, &MCP_ELICITATION)?;
    let to = get(keys, "to").map(|node| people(lower, node)).unwrap_or_default();
    let due = due(lower, keys, &ACTIONS.map(str::to_owned));
    let hold = some_time(lower, keys, "hold").unwrap_or(HOLD_DEFAULT);
    Some(Elicitation { to, due, hold })
}

fn reached(lower: &mut Lower, keys: Keys<'_>, span: &Span) -> Option<McpReached> {
    match (get(keys, "command"), get(keys, "url")) {
        (Some(_), None) => {
            misplaced(lower, keys, &OF_ADDRESSES, "command");
            let command = filled_key(lower, keys, "command", span);
            let args = get(keys, "args").map(|node| args(lower, node)).unwrap_or_default();
            let env = get(keys, "env").map(|node| environment(lower, node)).unwrap_or_default();
            let cwd = get(keys, "cwd").and_then(|node| filled(lower, node, "cwd"));
            Some(McpReached::Program { command: command?, args, env, cwd })
        }
        (None, Some(node)) => {
            misplaced(lower, keys, &OF_PROGRAMS, "url");
            let url = url(lower, node);
            let headers = get(keys, "headers").map(|node| headers(lower, node)).unwrap_or_default();
            Some(McpReached::Http { url: url?, headers })
        }
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `command: PROGRAM` or `url: ADDRESS`".to_owned());
            lower.report(Code::KeyMismatch, span, "an MCP server needs one of command and url", help);
            None
        }
    }
}

fn misplaced(lower: &mut Lower, keys: Keys<'_>, others: &[&str], beside: &str) {
    for key in others {
        if let Some(node) = get(keys, key) {
            let message = format!("an MCP server with '{beside}' has no '{key}'");
            lower.report(Code::KeyMismatch, &node.span, message, Some(format!("take '{key}' out")));
        }
    }
}

fn args(lower: &mut Lower, node: &Node) -> Vec<String> {
    let mut args = Vec::new();
    for item in lower.list(node, "args").unwrap_or_default() {
        let Some(arg) = lower.text(item, "an entry of args") else { continue };
        if arg.contains('\0') {
            lower.report(Code::InvalidValue, &item.span, "an argument cannot have a zero byte in it", None);
        }
        args.push(arg.to_owned());
    }
    args
}

fn environment(lower: &mut Lower, node: &Node) -> BTreeMap<String, McpValue> {
    let mut environment = BTreeMap::new();
    for entry in named(lower, node, "env") {
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            let message = format!("'{}' cannot be the name of a variable", entry.key);
            lower.report(Code::InvalidValue, &entry.key_span, message, None);
            continue;
        }
        let value = match entry.value.as_text() {
            Some(text) if text.contains('\0') => {
                lower.report(
                    Code::InvalidValue,
                    &entry.value.span,
                    "a variable cannot have a zero byte in it",
                    None,
                );
                continue;
            }
            Some(text) => McpValue::Plain(text.to_owned()),
            None => match kept(lower, &entry.value) {
                Some(kept) => McpValue::Kept(kept),
                None => continue,
            },
        };
        environment.insert(entry.key.clone(), value);
    }
    environment
}

pub(super) fn headers(lower: &mut Lower, node: &Node) -> BTreeMap<String, KeptValue> {
    let mut headers = BTreeMap::new();
    for entry in named(lower, node, "headers") {
        let name = entry.key.to_ascii_lowercase();
        let is_token = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
        if !is_token || OWN_HEADERS.contains(&name.as_str()) {
            let why = if is_token { "the protocol sets it itself" } else { "it is no name of a header" };
            let message = format!("the header '{}' cannot be set: {why}", entry.key);
            lower.report(Code::InvalidValue, &entry.key_span, message, Some("take it out".to_owned()));
            continue;
        }
        if entry.value.as_text().is_some() {
            let message = "the value of a header never stands in pawl.yaml".to_owned();
            let help = "write `{ env: NAME }` or `{ file: PATH }`, and put the value there".to_owned();
            lower.report(Code::WrongType, &entry.value.span, message, Some(help));
            continue;
        }
        if let Some(kept) = kept(lower, &entry.value) {
            headers.insert(name, kept);
        }
    }
    headers
}

fn kept(lower: &mut Lower, node: &Node) -> Option<KeptValue> {
    let keys = lower.map(node, &MCP_VALUE)?;
    let prefix =
        get(keys, "prefix").and_then(|node| lower.text(node, "prefix")).unwrap_or_default().to_owned();
    let place = match (get(keys, "env"), get(keys, "file")) {
        (Some(node), None) => KeyPlace::Env(filled(lower, node, "env")?),
        (None, Some(node)) => KeyPlace::File(filled(lower, node, "file")?),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `{ env: NAME }` or `{ file: PATH }`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "a value needs one of env and file", help);
            return None;
        }
    };
    Some(KeptValue { prefix, place })
}

fn tools(lower: &mut Lower, node: &Node) -> BTreeSet<String> {
    let tools: BTreeSet<_> =
        lower.texts(node, "tools").into_iter().map(|(tool, _)| tool.to_owned()).collect();
    if tools.is_empty() {
        let help = Some("name a tool, or leave the key out for all".to_owned());
        lower.report(Code::InvalidValue, &node.span, "tools names no tool", help);
    }
    tools
}

fn effects(
    lower: &mut Lower,
    node: &Node,
    tools: Option<&BTreeSet<String>>,
) -> BTreeMap<String, EffectClass> {
    let mut effects = BTreeMap::new();
    for entry in named(lower, node, "effects") {
        if tools.is_some_and(|tools| !tools.contains(&entry.key)) {
            let message = format!("effects names '{}', which `tools` leaves out", entry.key);
            let help = among(&entry.key, "tools has", tools.into_iter().flatten().map(String::as_str));
            lower.report(Code::InvalidValue, &entry.key_span, message, help);
        }
        let Some(text) = lower.text(&entry.value, "an effect") else { continue };
        let all = [EffectClass::Pure, EffectClass::Idempotent, EffectClass::AtMostOnce];
        if let Some(class) = all.into_iter().find(|class| class.name() == text) {
            effects.insert(entry.key.clone(), class);
        } else {
            let help = among(text, "effects are", all.map(EffectClass::name));
            let message = format!("there is no effect '{text}'");
            lower.report(Code::InvalidValue, &entry.value.span, message, help);
        }
    }
    effects
}

/// An address: with a path and a query perhaps, without a user.
fn url(lower: &mut Lower, node: &Node) -> Option<String> {
    let url = filled(lower, node, "url")?;
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let good = rest.is_some_and(|rest| {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        !host.is_empty() && !rest.contains(['#', '@', ' ', '\\']) && url.is_ascii()
    });
    if !good {
        // What is secret in an address would stand in every message about it.
        let message = "url is no address without user and fragment".to_owned();
        let help = "write it as in http://127.0.0.1:8000/mcp, and what is secret under `headers`".to_owned();
        lower.report(Code::InvalidValue, &node.span, message, Some(help));
        return None;
    }
    Some(url)
}
