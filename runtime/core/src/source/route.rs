//! `agent` and `tool` where they are a route, and whether there is a plugin for it.

use std::collections::BTreeMap;

use super::Loaded;
use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::Node;
use crate::definition::{Otherwise, Route, Verb};
use crate::diagnostic::{Code, Diagnostics, among};
use crate::expression::Template;
use crate::language::{MATCH, ROUTE};
use crate::plugin::PluginKind;
use crate::route::{Offer, Preference, ROUTE_LABELS_MAX, RouteQuery};

/// Reads a route.
pub(super) fn route(lower: &mut Lower, node: &Node) -> Option<Box<Route>> {
    let keys = lower.map(node, &ROUTE)?;
    let prefer = get(keys, "prefer").map(|node| preferences(lower, node)).unwrap_or_default();
    let failover = get(keys, "failover").and_then(|node| lower.flag(node, "failover")).unwrap_or_default();
    let otherwise = get(keys, "otherwise").and_then(|node| otherwise(lower, node)).unwrap_or_default();
    let body = lower.required(keys, "match", &node.span)?;
    let keys = lower.map(body, &MATCH)?;
    let labels = labels(lower, keys);
    let node = lower.required(keys, "capability", &body.span)?;
    let capability = lower.text(node, "capability")?;
    if !lower.name(capability, &node.span, "a capability", "-.") {
        return None;
    }
    let capability = capability.to_owned();
    Some(Box::new(Route { capability, labels, prefer, failover, otherwise }))
}

fn preferences(lower: &mut Lower, node: &Node) -> Vec<Preference> {
    let mut prefer = Vec::new();
    for (name, span) in lower.texts(node, "prefer") {
        let found = Preference::ALL.iter().find(|(known, _)| *known == name);
        match found {
            Some((_, preference)) if prefer.contains(preference) => {
                let help = Some("take it out".to_owned());
                lower.report(Code::InvalidValue, &span, format!("'{name}' stands here twice"), help);
            }
            Some((_, preference)) => prefer.push(*preference),
            None => {
                let help = among(name, "there are", Preference::ALL.map(|(name, _)| name));
                lower.report(Code::InvalidValue, &span, format!("nothing is preferred by '{name}'"), help);
            }
        }
    }
    prefer
}

fn otherwise(lower: &mut Lower, node: &Node) -> Option<Otherwise> {
    let name = lower.text(node, "otherwise")?;
    let found = Otherwise::ALL.iter().find(|(known, _)| *known == name).map(|(_, otherwise)| *otherwise);
    if found.is_none() {
        let help = among(name, "there are", Otherwise::ALL.map(|(name, _)| name));
        lower.report(Code::InvalidValue, &node.span, format!("otherwise cannot be '{name}'"), help);
    }
    found
}

fn labels(lower: &mut Lower, keys: Keys<'_>) -> BTreeMap<String, Template> {
    let mut labels = BTreeMap::new();
    let Some(node) = get(keys, "labels") else { return labels };
    let entries = lower.any_map(node, "labels").unwrap_or_default();
    let entries: Vec<_> = entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect();
    if entries.len() > ROUTE_LABELS_MAX {
        let message = format!("there are {} labels", entries.len());
        let help = Some(format!("route_labels_max is {ROUTE_LABELS_MAX}"));
        lower.report(Code::OutOfRange, &node.span, message, help);
    }
    for entry in entries {
        if lower.name(&entry.key, &entry.key_span, "a label", "-.")
            && lower.text(&entry.value, "a label").is_some()
        {
            labels.insert(entry.key.clone(), lower.template(&entry.value));
        }
    }
    labels
}

/// Warns of every route that none of these plugins could take: computed labels are taken to match.
pub fn check_routes(
    loaded: &Loaded,
    file: &str,
    text: &str,
    offers: &BTreeMap<String, Offer>,
) -> Diagnostics {
    let mut problems = Diagnostics::new(file, text);
    for (index, step) in loaded.definition.steps.iter().enumerate() {
        let found = if let Verb::Agent(agent) = &step.verb {
            agent.route.as_deref().map(|route| (PluginKind::Agent, route))
        } else if let Verb::Tool(tool) = &step.verb {
            tool.route.as_deref().map(|route| (PluginKind::Tool, route))
        } else {
            None
        };
        let Some((kind, route)) = found else { continue };
        let query = query(kind, route);
        let misses: Vec<_> = offers.iter().map(|(name, offer)| (name, offer.answers(&query))).collect();
        if misses.iter().any(|(_, answer)| answer.is_ok()) {
            continue;
        }
        let near = misses.iter().filter_map(|(name, answer)| {
            answer.as_ref().err().filter(|miss| miss.is_near).map(|miss| format!("{name}: {}", miss.why))
        });
        let near = near.collect::<Vec<_>>().join("; ");
        let help = if near.is_empty() {
            let known = offers.values().filter(|offer| offer.kind == kind);
            let known: std::collections::BTreeSet<&str> =
                known.flat_map(|offer| offer.capabilities.keys().map(String::as_str)).collect();
            among(&route.capability, "capabilities are", known)
        } else {
            Some(near)
        };
        let span = loaded.places.value(&format!("{}/{}/match", loaded.places.step(index), kind.name()));
        problems.push(Code::NoCandidate, span, format!("there is no {query} now"), "", help);
    }
    problems
}

/// What is known of a query before it is evaluated.
fn query(kind: PluginKind, route: &Route) -> RouteQuery {
    let labels = route.labels.iter().filter_map(|(name, label)| {
        let written = label.as_literal()?.as_str()?;
        Some((name.clone(), written.to_owned()))
    });
    let (labels, capability) = (labels.collect(), route.capability.clone());
    RouteQuery { kind, capability, labels, prefer: route.prefer.clone() }
}
