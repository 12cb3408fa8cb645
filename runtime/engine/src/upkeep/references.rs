//! What events name by digest.

use pawl_core::Digest;
use pawl_core::event::{Event, Payload};
use pawl_core::plugin::{PluginPins, WorkflowPins};

/// The digest of an event's value, where it was moved out.
pub(super) fn value(event: &mut Event) -> Option<Digest> {
    match event.payload_mut() {
        Some(Payload::Blob(digest)) => Some(*digest),
        Some(Payload::Inline(_)) | None => None,
    }
}

/// The definitions and components that an event pins.
pub(super) fn pinned(event: &Event) -> Vec<Digest> {
    let started = match event {
        Event::RunStarted(started) => started,
        Event::RunForked(forked) => {
            let mut digests = Vec::new();
            components(&forked.agents, &mut digests);
            return digests;
        }
        Event::DefinitionChanged(changed) => {
            let mut digests = vec![changed.to];
            components(&changed.plugins, &mut digests);
            workflows(&changed.workflows, &mut digests);
            return digests;
        }
        Event::RouteChosen(chosen) => return chosen.pin.iter().map(|pin| pin.component).collect(),
        _ => return Vec::new(),
    };
    let mut digests = vec![started.definition];
    components(&started.plugins, &mut digests);
    workflows(&started.workflows, &mut digests);
    digests
}

pub(crate) fn components(pins: &PluginPins, digests: &mut Vec<Digest>) {
    digests.extend(pins.values().map(|pin| pin.component));
}

pub(crate) fn workflows(pins: &WorkflowPins, digests: &mut Vec<Digest>) {
    for pin in pins.values() {
        digests.push(pin.definition);
        components(&pin.plugins, digests);
        workflows(&pin.workflows, digests);
    }
}
