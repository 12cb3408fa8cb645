//! Slots: what a run holds, or waits for, of what may go on at once only so often.

use super::{Activity, RunState};
use crate::definition::PRIORITY_DEFAULT;
use crate::event::{Event, Overflow, SlotRequested};
use crate::{Timestamp, VisitId};

/// A slot that a run or a visit holds or waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Among which.
    pub key: String,
    /// How many there may be.
    pub limit: u32,
    /// What happens when there is none.
    pub overflow: Overflow,
    /// From 0 to 100; the higher goes first.
    pub priority: u8,
    /// When it was asked for.
    pub since: Timestamp,
    /// Whether it is held.
    pub taken: bool,
}

impl RunState {
    /// The slots that the run holds or waits for; the run's own has no visit. A suspended run waits for none.
    pub fn slots(&self) -> impl Iterator<Item = (Option<VisitId>, &Slot)> {
        let own = self.slot.as_deref().filter(|_| self.is_open()).map(|slot| (None, slot));
        let visits = self.active().filter_map(|(id, visit)| Some((Some(id), visit.slot.as_deref()?)));
        own.into_iter().chain(visits).filter(|(_, slot)| slot.taken || !self.is_suspended())
    }

    /// The slot of the run, or of a visit.
    pub(crate) fn slot_of(&self, visit: Option<VisitId>) -> Option<&Slot> {
        match visit {
            None => self.slot.as_deref(),
            Some(id) => self.visit(id)?.slot.as_deref(),
        }
    }

    /// Whether it, or a visit of it, waits for a slot.
    pub(crate) fn wants_a_slot(&self) -> bool {
        self.slots().any(|(_, slot)| !slot.taken)
    }

    /// What was held for another run is not held for this one.
    pub(super) fn give_slots_back(&mut self) {
        self.slot = None;
        for id in self.active.clone() {
            if let Some(visit) = self.visits.get_mut(&id) {
                visit.slot = None;
            }
        }
    }

    /// Whether the run waits for a slot of its own, and so has not begun.
    pub(crate) fn is_queued(&self) -> bool {
        self.is_open() && self.slot.as_ref().is_some_and(|slot| !slot.taken)
    }

    /// The priority of what a visit does, from 0 to 100: its own, that of the steps around it, or the run's.
    pub fn priority(&self, visit: Option<VisitId>) -> u8 {
        let mut at = visit.and_then(|id| self.visit(id));
        while let Some(visit) = at {
            if let Some(priority) = visit.priority {
                return priority;
            }
            // A called agent does the work of its caller's step.
            if let Some((caller, _)) = visit.caller {
                at = self.visit(caller);
                continue;
            }
            let around = self.frames.get(&visit.frame).and_then(|frame| frame.within.as_ref());
            at = around.and_then(|(id, _)| self.visit(*id));
        }
        self.priority.unwrap_or(PRIORITY_DEFAULT)
    }

    /// The events of slots and priorities.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken in elsewhere")]
    pub(super) fn apply_slot(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::PrioritySet { visit: None, priority } => self.priority = Some(*priority),
            Event::PrioritySet { visit: Some(id), priority } => {
                if let Some(visit) = self.visits.get_mut(id) {
                    visit.priority = Some(*priority);
                }
            }
            Event::SlotRequested(requested) => self.request_slot(time, requested),
            Event::SlotTaken { visit: None } => {
                if let Some(slot) = &mut self.slot {
                    slot.taken = true;
                }
            }
            Event::SlotTaken { visit: Some(id) } => {
                if let Some(visit) = self.visits.get_mut(id) {
                    visit.activity = Activity::Arrived;
                    if let Some(slot) = &mut visit.slot {
                        slot.taken = true;
                    }
                }
            }
            _ => {}
        }
    }

    fn request_slot(&mut self, time: Timestamp, requested: &SlotRequested) {
        let SlotRequested { visit, key, limit, overflow, priority, until } = requested.clone();
        let slot = Slot { key, limit, overflow, priority, since: time, taken: false };
        match visit {
            None => self.slot = Some(Box::new(slot)),
            Some(id) => {
                if let Some(visit) = self.visits.get_mut(&id) {
                    visit.activity = Activity::Queued(until);
                    visit.slot = Some(Box::new(slot));
                }
            }
        }
    }
}
