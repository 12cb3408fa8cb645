//! What comes from outside in a test: signals, events on topics, a cancel.

use serde_json::{Map, Value};

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::Node;
use super::mock::only_true;
use super::{Place, Placed};
use crate::Duration;
use crate::diagnostic::Code;
use crate::language::test_file::{CANCEL, OUTSIDE_EVENT, SENT_SIGNAL};
use crate::topic::check_topic;

/// A signal that is sent.
#[derive(Debug, Clone)]
pub struct SentSignal {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: Placed<String>,
    /// What it brings.
    pub data: Placed<Value>,
    /// The sender's key.
    pub key: Option<String>,
    /// When it comes.
    pub comes: Comes,
    /// Whether it must be refused.
    pub refused: bool,
}

/// An event that comes from outside.
#[derive(Debug, Clone)]
pub struct OutsideEvent {
    /// Where it stands.
    pub place: Place,
    /// Its topic.
    pub topic: Placed<String>,
    /// What it brings.
    pub data: Value,
    /// When it comes.
    pub comes: Comes,
}

/// When something comes.
#[derive(Debug, Clone)]
pub struct Comes {
    /// When this step waits for it; any, when there is none.
    pub step: Option<Placed<String>>,
    /// As soon as the run has begun, whether or not a step waits.
    pub early: bool,
    /// How long after that.
    pub after: Duration,
}

/// Where a run is cancelled.
#[derive(Debug, Clone)]
pub struct Cancelling {
    /// Where it stands.
    pub place: Place,
    /// When the run waits at this step; after its start, when there is none.
    pub step: Option<Placed<String>>,
    /// How long after that.
    pub after: Duration,
    /// Why.
    pub reason: Option<String>,
}

/// Reads `signals`.
pub(super) fn signals(lower: &mut Lower, node: &Node) -> Vec<SentSignal> {
    let items = lower.list(node, "signals").unwrap_or_default();
    items.iter().filter_map(|item| signal(lower, item)).collect()
}

fn signal(lower: &mut Lower, node: &Node) -> Option<SentSignal> {
    let keys = lower.map(node, &SENT_SIGNAL)?;
    let comes = comes(lower, keys);
    let named = lower.required(keys, "name", &node.span)?;
    let name = placed_text(lower, named, "name")?;
    lower.name(&name.value, &named.span, "a signal", "-.");
    let place = Place::of(lower, &node.span);
    Some(SentSignal {
        name,
        data: Placed {
            value: data(lower, keys),
            place: get(keys, "data").map_or_else(|| place.clone(), |node| Place::of(lower, &node.span)),
        },
        key: get(keys, "key").and_then(|node| lower.text(node, "key")).map(str::to_owned),
        comes,
        refused: get(keys, "refused").is_some_and(|node| only_true(lower, node, "refused")),
        place,
    })
}

/// Reads `events`.
pub(super) fn events(lower: &mut Lower, node: &Node) -> Vec<OutsideEvent> {
    let items = lower.list(node, "events").unwrap_or_default();
    items.iter().filter_map(|item| event(lower, item)).collect()
}

fn event(lower: &mut Lower, node: &Node) -> Option<OutsideEvent> {
    let keys = lower.map(node, &OUTSIDE_EVENT)?;
    let comes = comes(lower, keys);
    let data = data(lower, keys);
    let named = lower.required(keys, "topic", &node.span)?;
    let topic = placed_text(lower, named, "topic")?;
    if let Err(error) = check_topic(&topic.value) {
        lower.report(Code::InvalidValue, &named.span, error.to_string(), None);
    }
    Some(OutsideEvent { place: Place::of(lower, &node.span), topic, data, comes })
}

/// Reads `cancel`.
pub(super) fn cancel(lower: &mut Lower, node: &Node) -> Option<Cancelling> {
    let keys = lower.map(node, &CANCEL)?;
    if get(keys, "step").or(get(keys, "after")).is_none() {
        let help = Some("name the step that the run waits at, or how long after its start".to_owned());
        lower.report(Code::MissingKey, &node.span, "cancel needs 'step' or 'after'", help);
    }
    Some(Cancelling {
        place: Place::of(lower, &node.span),
        step: get(keys, "step").and_then(|node| placed_text(lower, node, "step")),
        after: after(lower, keys),
        reason: get(keys, "reason").and_then(|node| lower.text(node, "reason")).map(str::to_owned),
    })
}

fn comes(lower: &mut Lower, keys: Keys<'_>) -> Comes {
    let early = get(keys, "early");
    if let (Some(early), Some(_)) = (early, get(keys, "step")) {
        let help = Some("an early one waits for no step".to_owned());
        lower.report(Code::KeyMismatch, &early.span, "'early' and 'step' do not go together", help);
    }
    Comes {
        step: get(keys, "step").and_then(|node| placed_text(lower, node, "step")),
        early: early.is_some_and(|node| only_true(lower, node, "early")),
        after: after(lower, keys),
    }
}

fn after(lower: &mut Lower, keys: Keys<'_>) -> Duration {
    get(keys, "after").and_then(|node| lower.duration(node, "after")).unwrap_or(Duration(0))
}

fn data(lower: &mut Lower, keys: Keys<'_>) -> Value {
    get(keys, "data").map_or_else(|| Value::Object(Map::new()), |node| lower.constant(node, "data"))
}

fn placed_text(lower: &mut Lower, node: &Node, what: &str) -> Option<Placed<String>> {
    let value = lower.text(node, what)?.to_owned();
    Some(Placed { value, place: Place::of(lower, &node.span) })
}
