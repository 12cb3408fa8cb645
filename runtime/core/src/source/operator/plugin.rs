//! What `pawl.yaml` says of plugins.

use std::collections::BTreeMap;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Entry, Kind, Node};
use super::OPERATOR_PLUGINS_MAX;
use crate::diagnostic::Code;
use crate::language::operator::PLUGIN;
use crate::oci::{InvalidReference, Reference};
use crate::operator::PluginSource;
use crate::plugin::MCP_PREFIX;
use crate::route::{COST_MAX, Cost, OFFER_PRIORITY_MAX, OfferSetting};

/// Reads what is said of all of them.
pub(super) fn plugins(
    lower: &mut Lower,
    node: &Node,
) -> (BTreeMap<String, OfferSetting>, BTreeMap<String, PluginSource>) {
    let (mut plugins, mut sources) = (BTreeMap::new(), BTreeMap::new());
    let entries = named(lower, node, "plugins");
    if entries.len() > OPERATOR_PLUGINS_MAX {
        let message = format!("there are {} plugins", entries.len());
        let help = Some(format!("operator_plugins_max is {OPERATOR_PLUGINS_MAX}"));
        lower.report(Code::OutOfRange, &node.span, message, help);
        return (plugins, sources);
    }
    for entry in entries {
        if lower.plugin(&entry.key, &entry.key_span)
            && let Some(keys) = lower.map(&entry.value, &PLUGIN)
        {
            plugins.insert(entry.key.clone(), plugin(lower, keys));
            if let Some(node) = get(keys, "from")
                && let Some(source) = source(lower, &entry.key, node)
            {
                sources.insert(entry.key.clone(), source);
            }
        }
    }
    (plugins, sources)
}

/// Where a plugin is. A tag may come to mean another one, so a registry is asked for a digest.
fn source(lower: &mut Lower, name: &str, node: &Node) -> Option<PluginSource> {
    let path = lower.text(node, "where a plugin is")?;
    let (message, help) = if name.starts_with(MCP_PREFIX) {
        (
            format!("'{name}' is an MCP server, and no component"),
            "say under `mcp` how it is reached".to_owned(),
        )
    } else if path.is_empty() {
        let help = "write the path of a component, relative to this file, or oci://…@sha256:…";
        ("the path is empty".to_owned(), help.to_owned())
    } else if Reference::is_meant(path) {
        match path.parse::<Reference>() {
            Ok(reference) if reference.digest.is_some() => return Some(PluginSource::Registry(reference)),
            Ok(_) => {
                let message = format!("'{path}' has no digest, and its tag may come to mean another plugin");
                (
                    message,
                    "add @sha256:… to it: `pawl plugin push` and `pawl plugin pull` print it".to_owned(),
                )
            }
            Err(error) => {
                let message = format!("'{path}' names no plugin in a registry: {}", error.why());
                (message, InvalidReference::HELP.to_owned())
            }
        }
    } else {
        return Some(PluginSource::File(path.to_owned()));
    };
    lower.report(Code::InvalidValue, &node.span, message, Some(help));
    None
}

fn plugin(lower: &mut Lower, keys: Keys<'_>) -> OfferSetting {
    OfferSetting {
        capabilities: get(keys, "capabilities").map(|node| capabilities(lower, node)),
        labels: get(keys, "labels").map(|node| labels(lower, node)).unwrap_or_default(),
        priority: get(keys, "priority")
            .and_then(|node| lower.whole(node, "priority", 0..=OFFER_PRIORITY_MAX)),
        cost: get(keys, "cost").and_then(|node| cost(lower, node)),
        enabled: get(keys, "enabled").and_then(|node| lower.flag(node, "enabled")).filter(|enabled| !enabled),
    }
}

/// A list of what it can do, or a map that names the tools as well.
fn capabilities(lower: &mut Lower, node: &Node) -> BTreeMap<String, Option<String>> {
    let mut capabilities = BTreeMap::new();
    if node.as_map().is_none() {
        for (name, span) in lower.texts(node, "capabilities") {
            if lower.name(name, &span, "a capability", "-.") {
                capabilities.insert(name.to_owned(), None);
            }
        }
        return capabilities;
    }
    for entry in named(lower, node, "capabilities") {
        if lower.name(&entry.key, &entry.key_span, "a capability", "-.")
            && let Some(tool) = lower.text(&entry.value, "a tool")
            && lower.name(tool, &entry.value.span, "a tool", "-")
        {
            capabilities.insert(entry.key.clone(), Some(tool.to_owned()));
        }
    }
    capabilities
}

fn labels(lower: &mut Lower, node: &Node) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in named(lower, node, "labels") {
        if lower.name(&entry.key, &entry.key_span, "a label", "-.")
            && let Some(value) = lower.text(&entry.value, "a label")
        {
            labels.insert(entry.key.clone(), value.to_owned());
        }
    }
    labels
}

fn cost(lower: &mut Lower, node: &Node) -> Option<Cost> {
    let Kind::Number(number) = &node.kind else {
        let message = format!("cost must be a number, not {}", node.describe());
        lower.report(Code::WrongType, &node.span, message, None);
        return None;
    };
    let cost = number.as_f64().and_then(Cost::of);
    if cost.is_none() {
        let help = Some(format!("a number from 0 to {COST_MAX}"));
        lower.report(Code::OutOfRange, &node.span, format!("cost is {number}"), help);
    }
    cost
}

fn named<'n>(lower: &mut Lower, node: &'n Node, what: &str) -> Vec<&'n Entry> {
    let entries = lower.any_map(node, what).unwrap_or_default();
    entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect()
}
