//! What must come of a test's run.

use serde_json::Value;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::{Kind, Node};
use super::memory::memory;
use super::mock::{TIMES_MAX, kind};
use super::{Holds, Place, Placed};
use crate::FailureKind;
use crate::diagnostic::{Code, among};
use crate::expression::Expression;
use crate::language::test_file::{CALLS, ERROR, EXPECT};
use crate::view::Status;

/// How a run of a test can end.
const STATUSES: [Status; 4] = [Status::Completed, Status::Failed, Status::Cancelled, Status::Waiting];

/// What must come of a run. What is left out is not looked at, but for the status.
#[derive(Debug, Default)]
pub struct Expect {
    /// How it ends: completed, or failed where there is an `error`, unless it says otherwise.
    pub status: Placed<Option<Status>>,
    /// The workflow's own steps in the order of arrival; a skipped one stands in brackets.
    pub path: Option<Placed<Vec<String>>>,
    /// The same for lists of steps within steps.
    pub within: Vec<StepsExpected>,
    /// The outputs, exactly.
    pub outputs: Option<Placed<Value>>,
    /// What the outputs have in them.
    pub outputs_include: Option<Placed<Value>>,
    /// Expressions that hold over `outputs`, `inputs`, `steps` and `run`.
    pub holds: Vec<Placed<Expression>>,
    /// Events that happen in this order, whatever stands between them.
    pub events: Vec<Placed<EventExpected>>,
    /// How often tools and agents are called, and with what.
    pub calls: Vec<Placed<CallsExpected>>,
    /// What memories that runs share hold then, exactly.
    pub memory: Vec<Holds>,
    /// Why it fails.
    pub error: Option<Placed<ErrorExpected>>,
}

/// The steps of a list within a step.
#[derive(Debug, Clone)]
pub struct StepsExpected {
    /// `each[0]` for the first item, `poll` for a loop, `both/goods` for a branch.
    pub list: Placed<String>,
    /// In the order of arrival.
    pub steps: Vec<String>,
}

/// An event by its name and, where it matters, its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventExpected {
    /// `step-completed`.
    pub name: String,
    /// Whose it is.
    pub step: Option<String>,
}

/// The calls of a tool or agent.
#[derive(Debug, Clone)]
pub struct CallsExpected {
    /// `plugin.tool`, or the agent's plugin.
    pub name: String,
    /// How many.
    pub times: Option<u32>,
    /// What the arguments of each have in them, in their order.
    pub with: Option<Vec<Value>>,
}

/// Why a run fails.
#[derive(Debug, Clone)]
pub struct ErrorExpected {
    /// Its kind.
    pub kind: Option<FailureKind>,
    /// What the message has in it.
    pub message: Option<String>,
    /// The step that failed.
    pub step: Option<String>,
}

/// Reads `expect`.
pub(super) fn expect(lower: &mut Lower, node: &Node) -> Expect {
    let keys = lower.map(node, &EXPECT).unwrap_or(Keys::new(&EXPECT, &[]));
    let status = match get(keys, "status") {
        Some(node) => placed(lower, node, |lower| status(lower, node)),
        None => Placed { value: None, place: Place::of(lower, &node.span) },
    };
    Expect {
        status,
        path: get(keys, "path").map(|node| placed(lower, node, |lower| steps(lower, node, "path"))),
        within: get(keys, "within").map(|node| within(lower, node)).unwrap_or_default(),
        outputs: value(lower, keys, "outputs"),
        outputs_include: value(lower, keys, "outputs_include"),
        holds: get(keys, "holds").map(|node| holds(lower, node)).unwrap_or_default(),
        events: get(keys, "events").map(|node| events(lower, node)).unwrap_or_default(),
        calls: get(keys, "calls").map(|node| calls(lower, node)).unwrap_or_default(),
        memory: get(keys, "memory").map(|node| memory(lower, node)).unwrap_or_default(),
        error: get(keys, "error").map(|node| placed(lower, node, |lower| error(lower, node))),
    }
}

fn placed<T>(lower: &mut Lower, node: &Node, read: impl FnOnce(&mut Lower) -> T) -> Placed<T> {
    Placed { value: read(lower), place: Place::of(lower, &node.span) }
}

fn status(lower: &mut Lower, node: &Node) -> Option<Status> {
    let name = lower.text(node, "status")?;
    let status = STATUSES.into_iter().find(|status| status.name() == name);
    if status.is_none() {
        let help = among(name, "a run of a test ends as", STATUSES.iter().map(|status| status.name()));
        lower.report(Code::InvalidValue, &node.span, format!("'{name}' is not how a run ends"), help);
    }
    status
}

fn steps(lower: &mut Lower, node: &Node, what: &str) -> Vec<String> {
    lower.texts(node, what).into_iter().map(|(step, _)| step.to_owned()).collect()
}

fn within(lower: &mut Lower, node: &Node) -> Vec<StepsExpected> {
    let entries = lower.any_map(node, "within").unwrap_or_default().iter();
    let entries = entries.filter(|entry| !entry.key.starts_with("x-"));
    let read = entries.map(|entry| StepsExpected {
        list: Placed { value: entry.key.clone(), place: Place::of(lower, &entry.key_span) },
        steps: steps(lower, &entry.value, &entry.key),
    });
    read.collect()
}

fn value(lower: &mut Lower, keys: Keys<'_>, key: &str) -> Option<Placed<Value>> {
    let node = get(keys, key)?;
    Some(placed(lower, node, |lower| lower.constant(node, key)))
}

fn holds(lower: &mut Lower, node: &Node) -> Vec<Placed<Expression>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
            std::slice::from_ref(node)
        }
    };
    let mut read = Vec::new();
    for item in items {
        if let Some(value) = lower.expression(item, "an entry of holds") {
            read.push(Placed { value, place: Place::of(lower, &item.span) });
        }
    }
    read
}

fn events(lower: &mut Lower, node: &Node) -> Vec<Placed<EventExpected>> {
    let texts = lower.texts(node, "events");
    let read = texts.into_iter().map(|(text, span)| {
        let (name, step) = match text.split_once(' ') {
            Some((name, step)) => (name, Some(step.trim().to_owned())),
            None => (text, None),
        };
        let value = EventExpected { name: name.to_owned(), step };
        Placed { value, place: Place::of(lower, &span) }
    });
    read.collect()
}

fn calls(lower: &mut Lower, node: &Node) -> Vec<Placed<CallsExpected>> {
    let mut read = Vec::new();
    for entry in lower.any_map(node, "calls").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        let (name, value) = (entry.key.clone(), &entry.value);
        let (times, with) = if matches!(value.kind, Kind::Number(_)) {
            (lower.whole(value, &name, 0..=TIMES_MAX), None)
        } else {
            let fields = lower.map(value, &CALLS).unwrap_or(Keys::new(&CALLS, &[]));
            let times = get(fields, "times").and_then(|node| lower.whole(node, "times", 0..=TIMES_MAX));
            let with = get(fields, "with").and_then(|node| lower.list(node, "with"));
            (times, with.map(|items| items.iter().map(|item| lower.constant(item, "with")).collect()))
        };
        let place = Place::of(lower, &entry.key_span);
        read.push(Placed { value: CallsExpected { name, times, with }, place });
    }
    read
}

fn error(lower: &mut Lower, node: &Node) -> ErrorExpected {
    let keys = lower.map(node, &ERROR).unwrap_or(Keys::new(&ERROR, &[]));
    let kind = get(keys, "kind").and_then(|node| kind(lower, node, "kind"));
    let mut text = |key: &str| get(keys, key).and_then(|node| lower.text(node, key)).map(str::to_owned);
    let (message, step) = (text("message"), text("step"));
    ErrorExpected { kind, message, step }
}
