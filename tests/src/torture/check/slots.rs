//! No slot over its limit: by the journals, and by the calls that were under way outside at once.

use std::collections::BTreeMap;

use pawl_core::{RunState, VisitId};

use super::{Findings, Violation};
use crate::torture::SLOT_CALLS;
use crate::torture::evidence::{Book, Evidence};

/// A slot that was taken or given back: when, `-1` before `1` at one instant, and the limit.
type Change = (u64, i32, u32);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::of("slots");
    let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for book in evidence.books.values() {
        of_book(&mut changes, book);
    }
    let (tool, limit) = SLOT_CALLS;
    let name = format!("calls of {tool} outside");
    for call in evidence.calls.iter().filter(|call| call.call.tool == tool) {
        // One that was cut off has no end that is known here.
        let Some(answered) = call.answered else { continue };
        let of_tool = changes.entry(name.clone()).or_default();
        of_tool.extend([(call.at, 1, limit), (answered, -1, limit)]);
    }
    for (key, mut changes) in changes {
        changes.sort_unstable();
        let mut held = 0;
        for (at, change, limit) in changes {
            held += change;
            if i64::from(held) > i64::from(limit) {
                findings.add(None, format!("'{key}' had {held} at once at {at}, and may have {limit}"));
                break;
            }
        }
    }
    findings.found
}

fn of_book(changes: &mut BTreeMap<String, Vec<Change>>, book: &Book) {
    let mut state = RunState::new(book.run);
    let mut held: BTreeMap<Option<VisitId>, (String, u32)> = BTreeMap::new();
    for envelope in &book.envelopes {
        state.apply(envelope.time, &envelope.event);
        let now: BTreeMap<_, _> = state
            .slots()
            .filter(|(_, slot)| slot.taken)
            .map(|(visit, slot)| (visit, (slot.key.clone(), slot.limit)))
            .collect();
        let mut note = |slot: &(String, u32), change| {
            changes.entry(slot.0.clone()).or_default().push((envelope.time.0, change, slot.1));
        };
        held.iter().filter(|(visit, _)| !now.contains_key(visit)).for_each(|(_, slot)| note(slot, -1));
        now.iter().filter(|(visit, _)| !held.contains_key(visit)).for_each(|(_, slot)| note(slot, 1));
        held = now;
    }
}
