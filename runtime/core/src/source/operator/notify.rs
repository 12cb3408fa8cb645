//! Who is told of approvals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::permissions::hosts;
use super::super::tree::{Node, Span};
use super::NOTIFY_MAX;
use super::profile::{filled, key_place};
use super::supply::entries;
use crate::Duration;
use crate::diagnostic::{Code, among};
use crate::language::operator::NOTIFY;
use crate::operator::{Notify, NotifyOn, NotifyTool, NotifyWay};
use crate::plugin::split_tool;

/// The longest that the links of a notification are good, as long as any link: 30 days.
const LINKS_MAX: Duration = Duration(30 * 24 * 60 * 60 * 1_000);
const OF_HOOKS: [&str; 1] = ["secret"];
const OF_TOOLS: [&str; 3] = ["with", "http", "secrets"];

/// Reads who is told, by name.
pub(super) fn notify(lower: &mut Lower, node: &Node) -> BTreeMap<String, Notify> {
    let mut all = BTreeMap::new();
    for entry in entries(lower, node, "notify", NOTIFY_MAX) {
        if lower.name(&entry.key, &entry.key_span, "an entry of notify", "-")
            && let Some(one) = one(lower, &entry.value)
        {
            all.insert(entry.key.clone(), one);
        }
    }
    all
}

fn one(lower: &mut Lower, node: &Node) -> Option<Notify> {
    let keys = lower.map(node, &NOTIFY)?;
    let told = match (get(keys, "url"), get(keys, "tool")) {
        (Some(at), None) => hook(lower, keys, at, &node.span),
        (None, Some(at)) => tool(lower, keys, at).map(NotifyWay::Tool),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `url: ADDRESS` or `tool: PLUGIN.TOOL`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "an entry of notify needs one of url and tool", help);
            None
        }
    };
    let events = match get(keys, "events") {
        Some(node) => events(lower, node),
        None => NotifyOn::ALL.into(),
    };
    let links = get(keys, "links").and_then(|node| links(lower, node));
    Some(Notify { told: told?, events, links })
}

fn misplaced(lower: &mut Lower, keys: Keys<'_>, others: &[&str], beside: &str) {
    for key in others {
        if let Some(node) = get(keys, key) {
            let message = format!("an entry of notify with '{beside}' has no '{key}'");
            lower.report(Code::KeyMismatch, &node.span, message, Some(format!("take '{key}' out")));
        }
    }
}

fn hook(lower: &mut Lower, keys: Keys<'_>, at: &Node, span: &Span) -> Option<NotifyWay> {
    misplaced(lower, keys, &OF_TOOLS, "url");
    let url = url(lower, at);
    let secret = lower.required(keys, "secret", span);
    let secret = secret.and_then(|node| key_place(lower, node, "secret"));
    Some(NotifyWay::Hook { url: url?, secret: secret? })
}

/// The address is not shown where it is wrong: it may hold a key.
fn url(lower: &mut Lower, node: &Node) -> Option<String> {
    let url = filled(lower, node, "url")?;
    let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => (true, ""),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let good = !authority.is_empty()
        && url.is_ascii()
        && !authority.contains('@')
        && !url.contains([' ', '#', '\\', '"', '<', '>', '`', '{', '}']);
    if !good {
        let help = "such as https://desk.example.com/pawl, without a name or a password".to_owned();
        lower.report(Code::InvalidValue, &node.span, "url is no address of a web hook", Some(help));
        return None;
    }
    if !tls && !is_this_machine(authority) {
        let help = "write https; over http only this machine is told".to_owned();
        lower.report(Code::InvalidValue, &node.span, "a web hook is told over TLS", Some(help));
        return None;
    }
    Some(url)
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tool(lower: &mut Lower, keys: Keys<'_>, at: &Node) -> Option<NotifyTool> {
    misplaced(lower, keys, &OF_HOOKS, "tool");
    let http = get(keys, "http").map(|node| hosts(lower, node)).unwrap_or_default();
    let mut secrets = BTreeSet::new();
    for (name, span) in get(keys, "secrets").map(|node| lower.texts(node, "secrets")).unwrap_or_default() {
        if lower.name(name, &span, "a secret", "-") {
            secrets.insert(name.to_owned());
        }
    }
    let with = get(keys, "with").and_then(|node| {
        lower.template(node);
        let is_one = node.as_map().is_some() || node.as_text().is_some_and(|text| text.contains("${{"));
        if !is_one {
            let message = format!("with must be a map, or one expression, not {}", node.describe());
            lower.report(Code::WrongType, &node.span, message, None);
        }
        is_one.then(|| node.to_json())
    });
    let text = lower.text(at, "tool")?;
    let Some((plugin, tool)) = split_tool(text).filter(|(_, tool)| *tool != "*") else {
        let help = "write plugin.tool, as in http.post_keyed".to_owned();
        lower.report(Code::InvalidValue, &at.span, format!("'{text}' names no tool"), Some(help));
        return None;
    };
    lower.plugin(plugin, &at.span).then(|| NotifyTool {
        plugin: plugin.to_owned(),
        tool: tool.to_owned(),
        with,
        http,
        secrets,
    })
}

fn links(lower: &mut Lower, node: &Node) -> Option<Duration> {
    let time = lower.duration(node, "links")?;
    if time.0 == 0 || time > LINKS_MAX {
        let help = Some("links are good for at most link_expires_max_ms, 30 days".to_owned());
        lower.report(Code::OutOfRange, &node.span, format!("links cannot be good for {time}"), help);
        return None;
    }
    Some(time)
}

fn events(lower: &mut Lower, node: &Node) -> BTreeSet<NotifyOn> {
    let mut events = BTreeSet::new();
    for (name, span) in lower.texts(node, "events") {
        if let Some(event) = NotifyOn::ALL.into_iter().find(|event| event.name() == name) {
            events.insert(event);
        } else {
            let help = among(name, "there are", NotifyOn::ALL.map(NotifyOn::name));
            lower.report(Code::InvalidValue, &span, format!("nobody can be told of '{name}'"), help);
        }
    }
    events
}
