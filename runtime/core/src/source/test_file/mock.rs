//! What tools and agents do in a test, instead of their components.

use serde_json::Value;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Kind, Node};
use super::Place;
use crate::diagnostic::{Code, among};
use crate::language::test_file::{FAILURE, RULE};
use crate::{Duration, Failure, FailureKind};

/// How often a rule can hold.
pub const TIMES_MAX: u32 = 1_000_000;

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
    let keys = lower.map(node, &RULE)?;
    let verbs = RULE.keys().filter(|key| key.verb).map(|key| key.name);
    let given: Vec<&str> = verbs.clone().filter(|verb| get(keys, verb).is_some()).collect();
    if given.len() != 1 {
        let message = match given.as_slice() {
            [] => "the rule does not say what the call gives".to_owned(),
            several => format!("the rule has {} at once", several.join(" and ")),
        };
        let help = format!("give it one of: {}", verbs.collect::<Vec<_>>().join(", "));
        lower.report(Code::KeyMismatch, &node.span, message, Some(help));
        return None;
    }
    let delay = get(keys, "delay").and_then(|node| lower.duration(node, "delay")).unwrap_or(Duration(0));
    Some(Rule {
        place: Place::of(lower, &node.span),
        when: get(keys, "when").map(|node| lower.constant(node, "when")),
        times: get(keys, "times").and_then(|node| lower.whole(node, "times", 1..=TIMES_MAX)),
        delay,
        gives: gives(lower, keys)?,
    })
}

fn gives(lower: &mut Lower, keys: Keys<'_>) -> Option<Gives> {
    if let Some(node) = get(keys, "result") {
        return Some(Gives::Result(lower.constant(node, "result")));
    }
    if let Some(node) = get(keys, "fail") {
        return failure(lower, node, "fail").map(Gives::Failure);
    }
    let (key, gives) = match get(keys, "real") {
        Some(_) => ("real", Gives::Real),
        None => ("hang", Gives::Nothing),
    };
    only_true(lower, get(keys, key)?, key).then_some(gives)
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
pub(in crate::source) fn failure(lower: &mut Lower, node: &Node, what: &str) -> Option<Failure> {
    const MESSAGE: &str = "the test has it fail";
    if node.as_text().is_some() {
        return kind(lower, node, what).map(|kind| Failure::new(kind, MESSAGE));
    }
    let keys = lower.map_called(node, what, &FAILURE)?;
    let kind_node = lower.required(keys, "kind", &node.span)?;
    let kind = kind(lower, kind_node, "kind")?;
    let message = get(keys, "message").and_then(|node| lower.text(node, "message")).unwrap_or(MESSAGE);
    let retry_after = get(keys, "retry_after").and_then(|node| lower.duration(node, "retry_after"));
    Some(Failure {
        details: get(keys, "details").map(|node| lower.constant(node, "details")),
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
