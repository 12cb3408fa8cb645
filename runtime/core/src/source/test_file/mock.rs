//! What tools and agents do in a test, instead of their components.

use serde_json::Value;

use super::super::lower::Lower;
use super::super::tree::{Entry, Kind, Node};
use super::Place;
use super::read::{get, map, required};
use crate::diagnostic::{Code, among};
use crate::{Duration, Failure, FailureKind};

/// The keys of a rule.
const KEYS: [&str; 7] = ["when", "times", "delay", "result", "fail", "real", "hang"];
/// Those of which a rule has one.
const GIVES: [&str; 4] = ["result", "fail", "real", "hang"];
/// The keys of a failure.
const FAILURE_KEYS: [&str; 4] = ["kind", "message", "details", "retry_after"];
/// How often a rule can hold.
pub(super) const TIMES_MAX: u32 = 1_000_000;

/// What one tool or agent does.
#[derive(Debug, Clone)]
pub struct Mock {
    /// `plugin.tool`, or the agent's plugin.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The first that applies to a call says what it gives.
    pub rules: Vec<Rule>,
}

/// What a call gives, and which calls.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// What the arguments must have in them; any do without it.
    pub when: Option<Value>,
    /// For how many calls it holds; for all without it.
    pub times: Option<u32>,
    /// How long the call takes.
    pub delay: Duration,
    /// What it gives.
    pub gives: Gives,
}

/// What a call gives.
#[derive(Debug, Clone)]
pub enum Gives {
    /// A result.
    Result(Value),
    /// A failure.
    Failure(Failure),
    /// Whatever the component itself gives.
    Real,
    /// Nothing, ever: it ends by its timeout.
    Nothing,
}

/// Reads `tools` or `agents`: rules by name, or one rule.
pub(super) fn mocks(lower: &mut Lower, node: &Node, what: &str) -> Vec<Mock> {
    let mut mocks = Vec::new();
    for entry in lower.any_map(node, what).unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        let rules = match &entry.value.kind {
            Kind::List(items) => items.iter().filter_map(|item| rule(lower, item)).collect(),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                rule(lower, &entry.value).into_iter().collect()
            }
        };
        let place = Place::of(lower, &entry.key_span);
        mocks.push(Mock { name: entry.key.clone(), place, rules });
    }
    mocks
}

fn rule(lower: &mut Lower, node: &Node) -> Option<Rule> {
    const WHAT: &str = "a rule";
    let entries = map(lower, node, WHAT, &KEYS)?;
    let given: Vec<&str> = GIVES.into_iter().filter(|key| get(entries, key).is_some()).collect();
    if given.len() != 1 {
        let message = match given.as_slice() {
            [] => "the rule does not say what the call gives".to_owned(),
            several => format!("the rule has {} at once", several.join(" and ")),
        };
        let help = format!("give it one of: {}", GIVES.join(", "));
        lower.report(Code::KeyMismatch, &node.span, message, Some(help));
        return None;
    }
    let delay = get(entries, "delay").and_then(|node| lower.duration(node, "delay")).unwrap_or(Duration(0));
    Some(Rule {
        place: Place::of(lower, &node.span),
        when: get(entries, "when").map(|node| lower.constant(node, "when")),
        times: get(entries, "times").and_then(|node| lower.whole(node, "times", 1..=TIMES_MAX)),
        delay,
        gives: gives(lower, entries)?,
    })
}

fn gives(lower: &mut Lower, entries: &[Entry]) -> Option<Gives> {
    if let Some(node) = get(entries, "result") {
        return Some(Gives::Result(lower.constant(node, "result")));
    }
    if let Some(node) = get(entries, "fail") {
        return failure(lower, node, "fail").map(Gives::Failure);
    }
    let (key, gives) = match get(entries, "real") {
        Some(_) => ("real", Gives::Real),
        None => ("hang", Gives::Nothing),
    };
    only_true(lower, get(entries, key)?, key).then_some(gives)
}

/// A key that is there or not: anything but `true` is a mistake.
pub(super) fn only_true(lower: &mut Lower, node: &Node, key: &str) -> bool {
    let flag = lower.flag(node, key);
    if flag == Some(false) {
        let help = Some("leave the key out instead".to_owned());
        lower.report(Code::InvalidValue, &node.span, format!("{key} can only be true"), help);
    }
    flag == Some(true)
}

/// A failure: a kind alone, or with what belongs to it.
pub(super) fn failure(lower: &mut Lower, node: &Node, what: &str) -> Option<Failure> {
    const MESSAGE: &str = "the test has it fail";
    if node.as_text().is_some() {
        return kind(lower, node, what).map(|kind| Failure::new(kind, MESSAGE));
    }
    let entries = map(lower, node, what, &FAILURE_KEYS)?;
    let kind_node = required(lower, entries, "kind", what, &node.span, "kind: transient")?;
    let kind = kind(lower, kind_node, "kind")?;
    let message = get(entries, "message").and_then(|node| lower.text(node, "message")).unwrap_or(MESSAGE);
    let retry_after = get(entries, "retry_after").and_then(|node| lower.duration(node, "retry_after"));
    Some(Failure {
        details: get(entries, "details").map(|node| lower.constant(node, "details")),
        retry_after_ms: retry_after.map(|duration| duration.0),
        ..Failure::new(kind, message)
    })
}

/// A kind of failure by its name.
pub(super) fn kind(lower: &mut Lower, node: &Node, what: &str) -> Option<FailureKind> {
    let name = lower.text(node, what)?;
    let kind = FailureKind::ALL.into_iter().find(|kind| kind.name() == name);
    if kind.is_none() {
        let help = among(name, "kinds are", FailureKind::ALL.iter().map(|kind| kind.name()));
        lower.report(Code::InvalidValue, &node.span, format!("'{name}' is not a kind of failure"), help);
    }
    kind
}
