//! What a step says to others, or waits to hear from them.

use serde_json::{Value, json};

use super::inputs;
use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Kind, Node};
use crate::Duration;
use crate::definition::{EmitStep, SignalStep, Verb, WaitStep};
use crate::diagnostic::Code;
use crate::expression::Template;
use crate::language::{EMIT, SIGNAL};
use crate::topic::{InvalidTopic, check_pattern, check_topic};

/// Reads `signal`: its name alone, or a map.
pub(super) fn signal(lower: &mut Lower, node: &Node) -> Option<Verb> {
    if !matches!(node.kind, Kind::Map(_)) {
        let name = name(lower, node)?;
        return Some(Verb::Signal(SignalStep { name, schema: None, due: None }));
    }
    let entries = lower.map(node, &SIGNAL)?;
    let named = lower.required(entries, "name", &node.span);
    let name = named.and_then(|node| name(lower, node));
    let schema = get(entries, "data").map(|node| inputs::form(lower, node));
    let due = due(lower, entries);
    Some(Verb::Signal(SignalStep { name: name?, schema, due }))
}

fn name(lower: &mut Lower, node: &Node) -> Option<String> {
    let name = lower.text(node, "signal")?;
    lower.name(name, &node.span, "a signal", "-.").then(|| name.to_owned())
}

/// How long to wait at most.
fn due(lower: &mut Lower, entries: Keys<'_>) -> Option<Duration> {
    let node = get(entries, "due")?;
    let due = lower.duration(node, "due")?;
    if due.0 == 0 {
        lower.report(Code::OutOfRange, &node.span, "due is zero", Some("at least 1ms".to_owned()));
    }
    Some(due)
}

/// Reads `emit`.
pub(super) fn emit(lower: &mut Lower, node: &Node) -> Option<Verb> {
    let entries = lower.map(node, &EMIT)?;
    let topic = lower.required(entries, "topic", &node.span);
    let topic = topic.map(|node| named(lower, node, check_topic));
    let data = get(entries, "data").map(|node| lower.template(node));
    let data = data.unwrap_or_else(|| Template::literal(json!({})));
    Some(Verb::Emit(EmitStep { topic: topic?, data }))
}

/// Reads the form of `wait` that waits for an event.
pub(super) fn topic(lower: &mut Lower, entries: Keys<'_>) -> Option<Verb> {
    let pattern = get(entries, "topic").map(|node| named(lower, node, check_pattern));
    let due = due(lower, entries);
    if let Some(node) = get(entries, "until") {
        let help = Some("say with `due` how long to wait for the event".to_owned());
        lower.report(Code::KeyMismatch, &node.span, "'until' does not go with topic", help);
    }
    Some(Verb::Wait(WaitStep::Topic { pattern: pattern?, due }))
}

/// A topic or pattern; what is computed is checked when it is known.
fn named(lower: &mut Lower, node: &Node, check: fn(&str) -> Result<(), InvalidTopic>) -> Template {
    lower.text(node, "topic");
    let template = lower.template(node);
    if let Some(Value::String(text)) = template.as_literal()
        && let Err(error) = check(text)
    {
        lower.report(Code::InvalidValue, &node.span, error.to_string(), None);
    }
    template
}
