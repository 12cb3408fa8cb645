//! How a question is answered: of `human`, and of rules of approval.

use std::collections::BTreeMap;

use super::human::people;
use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Kind, Node};
use crate::Duration;
use crate::diagnostic::{Code, among};
use crate::language::ESCALATION;
use crate::terms::{
    ACTION_LABEL_MAX_BYTES, CLAIM_TIME, ESCALATIONS_MAX, INITIATOR, PEOPLE_MAX, QUORUM_MAX, Rung, STEPS,
    Terms, is_person,
};

/// What the keys beside these say.
pub(super) struct Beside<'a> {
    pub(super) to: &'a [String],
    pub(super) actions: &'a [String],
    pub(super) due: Option<Duration>,
}

/// Reads `quorum`, `at_once`, `not_by`, `reason`, `claim_for` and `escalate`.
pub(super) fn terms(lower: &mut Lower, keys: Keys<'_>, beside: &Beside<'_>) -> Terms {
    let escalate = get(keys, "escalate").map(|node| escalate(lower, node, beside.due)).unwrap_or_default();
    let claim_for = get(keys, "claim_for").and_then(|node| claim_for(lower, node));
    let at_once = get(keys, "at_once").map(|node| {
        if get(keys, "quorum").is_none() {
            let help = Some("say how many must agree, such as `quorum: 2`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "at_once needs quorum", help);
        }
        actions(lower, node, "at_once", beside.actions)
    });
    Terms {
        quorum: get(keys, "quorum").and_then(|node| quorum(lower, node, beside.to, &escalate)),
        at_once,
        not_by: get(keys, "not_by").map(|node| not_by(lower, node)).unwrap_or_default(),
        reason: get(keys, "reason").map(|node| reason(lower, node, beside.actions)).unwrap_or_default(),
        labels: BTreeMap::new(),
        claim_for,
        escalate,
    }
}

/// Reads `labels`.
pub(super) fn labels(lower: &mut Lower, node: &Node, actions: &[String]) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in lower.any_map(node, "labels").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        if !actions.contains(&entry.key) {
            let message = format!("labels has '{}', which is none of the actions", entry.key);
            let help = among(&entry.key, "actions are", actions.iter().map(String::as_str));
            lower.report(Code::InvalidValue, &entry.key_span, message, help);
        }
        let Some(text) = lower.text(&entry.value, "a label") else { continue };
        if text.trim().is_empty() || text.len() > ACTION_LABEL_MAX_BYTES || text.contains(char::is_control) {
            let message = format!("the label of '{}' has {} bytes", entry.key, text.len());
            let help = format!("one line with 1 to {ACTION_LABEL_MAX_BYTES} bytes");
            lower.report(Code::OutOfRange, &entry.value.span, message, Some(help));
        }
        labels.insert(entry.key.clone(), text.to_owned());
    }
    labels
}

/// More people than can ever answer would wait for ever.
fn quorum(lower: &mut Lower, node: &Node, to: &[String], escalate: &[Rung]) -> Option<u32> {
    let quorum = lower.whole(node, "quorum", 1..=QUORUM_MAX)?;
    let asked: std::collections::BTreeSet<&String> =
        to.iter().chain(escalate.iter().flat_map(|rung| &rung.to)).collect();
    let are_counted = !to.is_empty() && asked.iter().all(|who| who.starts_with("user:"));
    if are_counted && (quorum as usize) > asked.len() {
        let message = format!("the quorum is {quorum}, and no more than {} are asked", asked.len());
        let help = Some("ask more people, or a group".to_owned());
        lower.report(Code::OutOfRange, &node.span, message, help);
    }
    (quorum > 1).then_some(quorum)
}

fn actions(lower: &mut Lower, node: &Node, key: &str, known: &[String]) -> Vec<String> {
    let mut actions = Vec::new();
    for (action, span) in lower.texts(node, key) {
        if !known.iter().any(|known| known == action) {
            let message = format!("{key} has '{action}', which is none of the actions");
            let help = among(action, "actions are", known.iter().map(String::as_str));
            lower.report(Code::InvalidValue, &span, message, help);
        }
        actions.push(action.to_owned());
    }
    actions
}

fn reason(lower: &mut Lower, node: &Node, known: &[String]) -> Vec<String> {
    match &node.kind {
        Kind::Text(text) if text == "required" => known.to_vec(),
        Kind::Text(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => {
            actions(lower, node, "reason", known)
        }
    }
}

fn not_by(lower: &mut Lower, node: &Node) -> Vec<String> {
    let entries = lower.texts(node, "not_by");
    if entries.len() > PEOPLE_MAX {
        let message = format!("not_by has {} entries", entries.len());
        let help = Some(format!("people_max is {PEOPLE_MAX}; a group stands for many people"));
        lower.report(Code::OutOfRange, &node.span, message, help);
        return Vec::new();
    }
    let mut names = Vec::new();
    for (entry, span) in entries {
        if let Some(step) = entry.strip_prefix(STEPS) {
            if !lower.outline.asking.contains(step) {
                let known = lower.outline.asking.iter().map(String::as_str);
                let help = among(step, "steps that people answer are", known);
                let message = format!("'{step}' is no step of this workflow that somebody answers");
                lower.report(Code::UnknownName, &span, message, help);
            }
        } else if entry != INITIATOR && !is_person(entry) {
            let message = format!("'{entry}' says nobody who may not answer");
            let help = "write initiator, steps.ID, user:NAME or group:NAME".to_owned();
            lower.report(Code::InvalidValue, &span, message, Some(help));
        }
        names.push(entry.to_owned());
    }
    names
}

fn claim_for(lower: &mut Lower, node: &Node) -> Option<Duration> {
    let time = lower.duration(node, "claim_for")?;
    if time == Duration(0) {
        let help = Some("such as `claim_for: 30m`".to_owned());
        lower.report(Code::OutOfRange, &node.span, "nobody can hold a question for no time", help);
    }
    (time != CLAIM_TIME).then_some(time)
}

fn escalate(lower: &mut Lower, node: &Node, due: Option<Duration>) -> Vec<Rung> {
    let items = lower.list(node, "escalate").unwrap_or_default();
    if items.is_empty() || items.len() > ESCALATIONS_MAX {
        let message = format!("escalate has {} rungs", items.len());
        let help = Some(format!("1 to {ESCALATIONS_MAX} of them; leave the key out for none"));
        lower.report(Code::OutOfRange, &node.span, message, help);
        return Vec::new();
    }
    let mut rungs: Vec<Rung> = Vec::new();
    for item in items {
        let Some(keys) = lower.map(item, &ESCALATION) else { continue };
        let after = lower.required(keys, "after", &item.span);
        let after = after.and_then(|node| Some((lower.duration(node, "after")?, node)));
        let to = lower.required(keys, "to", &item.span).map(|node| (people(lower, node), node));
        let (Some((after, at)), Some((to, named))) = (after, to) else { continue };
        let before = rungs.last().map_or(Duration(0), |rung| rung.after);
        if after <= before {
            let help =
                Some("the rungs stand in the order of time, each later than the one before".to_owned());
            lower.report(Code::OutOfRange, &at.span, format!("'{after}' is not later than '{before}'"), help);
        }
        if due.is_some_and(|due| after >= due) {
            let help = Some("a rung comes before `due`, which ends the question".to_owned());
            lower.report(Code::OutOfRange, &at.span, format!("'{after}' is not before `due`"), help);
        }
        if to.is_empty() {
            let help = Some("name users and groups".to_owned());
            lower.report(Code::InvalidValue, &named.span, "nobody is asked here", help);
        }
        rungs.push(Rung { after, to });
    }
    rungs
}
