//! What goes wrong in a test.

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Kind, Node};
use super::Place;
use super::mock::{TIMES_MAX, kind};
use crate::diagnostic::Code;
use crate::language::test_file::FAULT;
use crate::{Duration, Failure, FailureKind};

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// What.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// The process dies as soon as this event of the run is durable.
    CrashAfter(u64),
    /// The first calls of a tool fail, whatever its rules say.
    Fail {
        /// `plugin.tool`.
        tool: String,
        /// How many.
        first: u32,
        /// How.
        failure: Failure,
    },
    /// The first calls of a tool take longer.
    Slow {
        /// `plugin.tool`.
        tool: String,
        /// How many.
        first: u32,
        /// How much longer.
        by: Duration,
    },
}

/// Reads `faults`.
pub(super) fn faults(lower: &mut Lower, node: &Node) -> Vec<Fault> {
    let items = lower.list(node, "faults").unwrap_or_default();
    items.iter().filter_map(|item| fault(lower, item)).collect()
}

fn fault(lower: &mut Lower, node: &Node) -> Option<Fault> {
    let keys = lower.map(node, &FAULT)?;
    let verbs = FAULT.keys().filter(|key| key.verb).map(|key| key.name);
    let given: Vec<&str> = verbs.clone().filter(|verb| get(keys, verb).is_some()).collect();
    let [verb] = given.as_slice() else {
        let message = "a fault needs exactly one of its verbs";
        let help = Some(format!("one of: {}", verbs.collect::<Vec<_>>().join(", ")));
        lower.report(Code::KeyMismatch, &node.span, message, help);
        return None;
    };
    for entry in keys.iter() {
        if let Some(key) = FAULT.key(&entry.key).filter(|key| !key.verb && !key.goes.with(verb)) {
            let message = format!("'{verb}' and '{}' do not go together", key.name);
            lower.report(Code::KeyMismatch, &entry.key_span, message, None);
        }
    }
    let kind = match *verb {
        "crash_after" => FaultKind::CrashAfter(seq(lower, get(keys, "crash_after")?)?),
        "fail" => {
            let kind_of = get(keys, "kind").and_then(|node| kind(lower, node, "kind"));
            let message = get(keys, "message").and_then(|node| lower.text(node, "message"));
            let failure = Failure::new(
                kind_of.unwrap_or(FailureKind::Transient),
                message.unwrap_or("a fault of the test"),
            );
            FaultKind::Fail { tool: tool(lower, keys, "fail")?, first: first(lower, keys), failure }
        }
        _ => {
            let by = lower.required(keys, "by", &node.span)?;
            let by = lower.duration(by, "by")?;
            FaultKind::Slow { tool: tool(lower, keys, "slow")?, first: first(lower, keys), by }
        }
    };
    Some(Fault { place: Place::of(lower, &node.span), kind })
}

fn seq(lower: &mut Lower, node: &Node) -> Option<u64> {
    let whole = match &node.kind {
        Kind::Number(number) => number.as_u64().filter(|seq| (1..=u64::from(u32::MAX)).contains(seq)),
        Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => None,
    };
    if whole.is_none() {
        let help = Some("events are numbered from 1; `pawl test --json` shows the journal".to_owned());
        lower.report(Code::OutOfRange, &node.span, "crash_after needs the number of an event", help);
    }
    whole
}

fn tool(lower: &mut Lower, keys: Keys<'_>, key: &str) -> Option<String> {
    lower.text(get(keys, key)?, key).map(str::to_owned)
}

/// One call, unless it says how many.
fn first(lower: &mut Lower, keys: Keys<'_>) -> u32 {
    get(keys, "first").and_then(|node| lower.whole(node, "first", 1..=TIMES_MAX)).unwrap_or(1)
}
