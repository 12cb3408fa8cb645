//! What goes wrong in a test.

use super::super::lower::Lower;
use super::super::tree::{Entry, Kind, Node};
use super::Place;
use super::mock::{TIMES_MAX, kind};
use super::read::{get, map, required};
use crate::diagnostic::Code;
use crate::{Duration, Failure, FailureKind};

/// The keys that say what kind of fault it is.
const VERBS: [&str; 3] = ["crash_after", "fail", "slow"];

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
    const WHAT: &str = "a fault";
    let verbs: Vec<&str> = VERBS.into_iter().filter(|verb| node.get(verb).is_some()).collect();
    let [verb] = verbs.as_slice() else {
        let message = "a fault needs exactly one of its verbs";
        let help = Some(format!("one of: {}", VERBS.join(", ")));
        lower.report(Code::KeyMismatch, &node.span, message, help);
        return None;
    };
    let kind = match *verb {
        "crash_after" => {
            let entries = map(lower, node, WHAT, &["crash_after"])?;
            FaultKind::CrashAfter(seq(lower, get(entries, "crash_after")?)?)
        }
        "fail" => {
            let entries = map(lower, node, WHAT, &["fail", "first", "kind", "message"])?;
            let kind_of = get(entries, "kind").and_then(|node| kind(lower, node, "kind"));
            let message = get(entries, "message").and_then(|node| lower.text(node, "message"));
            let failure = Failure::new(
                kind_of.unwrap_or(FailureKind::Transient),
                message.unwrap_or("a fault of the test"),
            );
            FaultKind::Fail { tool: tool(lower, entries, "fail")?, first: first(lower, entries), failure }
        }
        _ => {
            let entries = map(lower, node, WHAT, &["slow", "first", "by"])?;
            let by = required(lower, entries, "by", WHAT, &node.span, "by: 20s")?;
            let by = lower.duration(by, "by")?;
            FaultKind::Slow { tool: tool(lower, entries, "slow")?, first: first(lower, entries), by }
        }
    };
    Some(Fault { place: Place::of(lower, &node.span), kind })
}

fn seq(lower: &mut Lower, node: &Node) -> Option<u64> {
    let whole = match &node.kind {
        Kind::Number(number) => number.as_u64().filter(|seq| *seq > 0),
        Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => None,
    };
    if whole.is_none() {
        let help = Some("events are numbered from 1; `pawl test --json` shows the journal".to_owned());
        lower.report(Code::OutOfRange, &node.span, "crash_after needs the number of an event", help);
    }
    whole
}

fn tool(lower: &mut Lower, entries: &[Entry], key: &str) -> Option<String> {
    lower.text(get(entries, key)?, key).map(str::to_owned)
}

/// One call, unless it says how many.
fn first(lower: &mut Lower, entries: &[Entry]) -> u32 {
    get(entries, "first").and_then(|node| lower.whole(node, "first", 1..=TIMES_MAX)).unwrap_or(1)
}
