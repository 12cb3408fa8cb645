//! What `pawl.yaml` says of plugins.

use std::collections::BTreeMap;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Entry, Kind, Node};
use super::OPERATOR_PLUGINS_MAX;
use crate::diagnostic::Code;
use crate::language::operator::PLUGIN;
use crate::route::{COST_MAX, Cost, OFFER_PRIORITY_MAX, OfferSetting};

/// Reads what is said of all of them.
pub(super) fn plugins(lower: &mut Lower, node: &Node) -> BTreeMap<String, OfferSetting> {
    let mut plugins = BTreeMap::new();
    let entries = named(lower, node, "plugins");
    if entries.len() > OPERATOR_PLUGINS_MAX {
        let message = format!("there are {} plugins", entries.len());
        let help = Some(format!("operator_plugins_max is {OPERATOR_PLUGINS_MAX}"));
        lower.report(Code::OutOfRange, &node.span, message, help);
        return plugins;
    }
    for entry in entries {
        if lower.plugin(&entry.key, &entry.key_span)
            && let Some(keys) = lower.map(&entry.value, &PLUGIN)
        {
            plugins.insert(entry.key.clone(), plugin(lower, keys));
        }
    }
    plugins
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
