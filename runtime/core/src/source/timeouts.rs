//! `timeout`: of an attempt, of a whole step, of a run.

use super::keys::{Keys, get};
use super::lower::Lower;
use super::tree::{Entry, Node};
use crate::Duration;
use crate::definition::{Timeouts, Verb};
use crate::diagnostic::Code;
use crate::language::TIMEOUT;

/// Reads `timeout` of a step: a duration is that of an attempt.
pub(super) fn of_step(lower: &mut Lower, node: &Node) -> Timeouts {
    if node.as_map().is_none() {
        return Timeouts { attempt: duration(lower, node, "timeout"), ..Timeouts::default() };
    }
    let Some(entries) = lower.map(node, &TIMEOUT) else { return Timeouts::default() };
    if entries.is_empty() {
        let help = Some("such as `timeout: { attempt: 10s, total: 5m }`".to_owned());
        lower.report(Code::MissingKey, &node.span, "timeout says nothing", help);
    }
    let [start, attempt, total] = ["start", "attempt", "total"]
        .map(|key| get(entries, key).and_then(|node| duration(lower, node, key)));
    if let (Some(attempt), Some(total), Some(node)) = (attempt, total, get(entries, "attempt"))
        && attempt > total
    {
        let message = format!("an attempt may take longer ({attempt}) than all of them ({total})");
        lower.report(Code::OutOfRange, &node.span, message, Some("give it a part of the total".to_owned()));
    }
    Timeouts { start, attempt, total }
}

/// A duration that is longer than nothing.
pub(super) fn duration(lower: &mut Lower, node: &Node, what: &str) -> Option<Duration> {
    let duration = lower.duration(node, what)?;
    if duration.0 == 0 {
        let message = format!("{what} is zero");
        lower.report(Code::OutOfRange, &node.span, message, Some("at least 1ms".to_owned()));
    }
    Some(duration)
}

/// Only what waits for a slot can wait too long for it.
pub(super) fn check_start(lower: &mut Lower, entries: Keys<'_>) {
    let start = get(entries, "timeout").and_then(|timeout| timeout.get("start"));
    if let (Some(start), None) = (start, get(entries, "concurrency")) {
        let message =
            "a start timeout says how long a step waits for its slot, and this one has no concurrency";
        let help = Some("add `concurrency`, or take `start` out".to_owned());
        lower.report(Code::KeyMismatch, &start.span, message, help);
    }
}

/// Why a timeout does not go with a verb.
pub(super) fn mismatch(verb: &Verb, value: &Node) -> Option<&'static str> {
    match verb {
        Verb::Agent(_) | Verb::Tool(_) => None,
        Verb::Parallel(_) | Verb::Map(_) | Verb::Loop(_) | Verb::Workflow(_) => {
            let none = |entry: &Entry| entry.key != "attempt";
            let no_attempt = value.as_map().is_some_and(|map| map.iter().all(none));
            (!no_attempt).then_some("it has no attempts of its own; write `timeout: { total: … }`")
        }
        Verb::Human(_) => Some("a human step has `due` and `on_timeout`"),
        Verb::Signal(_) => Some("a signal step has `due`"),
        Verb::Set(_) | Verb::Switch(_) | Verb::Wait(_) | Verb::Fail(_) | Verb::Emit(_) => {
            Some("it goes with agent and tool, and as `{ total: … }` with parallel, map, loop and workflow")
        }
    }
}
