//! A question to a person.

use super::inputs;
use super::keys::{Keys, get};
use super::lower::Lower;
use super::terms::{Beside, labels, terms};
use super::tree::Node;
use crate::Duration;
use crate::definition::{HumanStep, Verb};
use crate::diagnostic::{Code, among};
use crate::language::HUMAN;

/// What can be chosen where a step does not say.
const DEFAULT_ACTIONS: [&str; 2] = ["approve", "reject"];

/// Reads `human`.
pub(super) fn human(lower: &mut Lower, node: &Node) -> Option<Verb> {
    let entries = lower.map(node, &HUMAN)?;
    let title = lower.required(entries, "title", &node.span);
    let title = title.map(|node| {
        lower.text(node, "title");
        lower.template(node)
    });
    let to = get(entries, "to").map(|node| people(lower, node)).unwrap_or_default();
    let actions = get(entries, "actions").map(|node| actions(lower, node));
    let actions = actions.unwrap_or_else(|| DEFAULT_ACTIONS.map(str::to_owned).to_vec());
    let form = get(entries, "form").map(|node| inputs::form(lower, node));
    let subject = get(entries, "subject").map(|node| lower.template(node));
    let due = due(lower, entries, &actions);
    let beside = Beside { to: &to, actions: &actions, due: due.as_ref().map(|(due, _)| *due) };
    let mut terms = terms(lower, entries, &beside);
    terms.labels = get(entries, "labels").map(|node| labels(lower, node, &actions)).unwrap_or_default();
    Some(Verb::Human(HumanStep { title: title?, to, actions, form, subject, due, terms }))
}

pub(super) fn people(lower: &mut Lower, node: &Node) -> Vec<String> {
    let mut people = Vec::new();
    for (name, span) in lower.texts(node, "to") {
        let known =
            ["user:", "group:"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|n| !n.is_empty()));
        if !known {
            let message = format!("'{name}' is neither a user nor a group");
            let help = format!("write user:{name} or group:{name}");
            lower.report(Code::InvalidValue, &span, message, Some(help));
        }
        people.push(name.to_owned());
    }
    people
}

fn actions(lower: &mut Lower, node: &Node) -> Vec<String> {
    let mut actions: Vec<String> = Vec::new();
    for (action, span) in lower.texts(node, "actions") {
        lower.name(action, &span, "an action", "-");
        if actions.iter().any(|known| known == action) {
            let message = format!("the action '{action}' stands twice");
            lower.report(Code::InvalidValue, &span, message, None);
        } else {
            actions.push(action.to_owned());
        }
    }
    if node.as_list().is_some_and(<[Node]>::is_empty) {
        let help = Some(format!("leave the key out for {}", DEFAULT_ACTIONS.join(" and ")));
        lower.report(Code::InvalidValue, &node.span, "a person needs something to choose", help);
    }
    actions
}

/// `due` and `on_timeout` stand together: what happens at the end of a wait is never left open.
pub(super) fn due(lower: &mut Lower, entries: Keys<'_>, actions: &[String]) -> Option<(Duration, String)> {
    let (due, on_timeout) = (get(entries, "due"), get(entries, "on_timeout"));
    let duration = due.and_then(|node| lower.duration(node, "due"));
    let action = on_timeout.and_then(|node| Some((lower.text(node, "on_timeout")?, node)));
    if let Some((action, node)) = action
        && !actions.iter().any(|known| known == action)
    {
        let message = format!("on_timeout is '{action}', which is none of the actions");
        let help = among(action, "actions are", actions.iter().map(String::as_str));
        lower.report(Code::InvalidValue, &node.span, message, help);
    }
    match (due, on_timeout) {
        (Some(due), None) => {
            let help = Some(format!("say what is chosen then: `on_timeout: {}`", actions.last()?));
            lower.report(Code::KeyMismatch, &due.span, "due needs on_timeout", help);
        }
        (None, Some(node)) => {
            let help = Some("say how long to wait, such as `due: 48h`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "on_timeout needs due", help);
        }
        (None, None) | (Some(_), Some(_)) => {}
    }
    Some((duration?, action?.0.to_owned()))
}
