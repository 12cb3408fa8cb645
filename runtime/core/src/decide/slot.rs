//! Slots: a run or a visit asks for one, and goes on when it has it.
//!
//! Who gets a free slot is not decided here: that is between runs. What is
//! decided here is what follows for the run.

use super::advance::evaluation_failure;
use super::attempt::is_at_most_once;
use super::{Draft, Next};
use crate::definition::{CONCURRENCY_KEY_MAX_BYTES, Concurrency, PRIORITY_MAX, Step};
use crate::event::{Actor, Event, SlotRequested};
use crate::expression::{Scope, Template};
use crate::state::{Activity, Slot};
use crate::{Failure, FailureKind, FrameId, RunId, VisitId};

/// What a run hears of a slot that it waits for, or holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotNews {
    /// It has it.
    Granted,
    /// There is none, and it does not want to wait.
    Refused,
    /// It makes way for a newer one of this run.
    Replaced(RunId),
}

impl Draft<'_> {
    /// Asks for the run's own slot. Gives whether it has to be waited for.
    pub(super) fn request_own_slot(&mut self) -> Result<bool, Failure> {
        let definition = self.definition;
        if let Some(priority) = &definition.priority {
            let priority = number(priority, &self.scope(FrameId::ROOT))?;
            self.push(Event::PrioritySet { visit: None, priority });
        }
        let Some(concurrency) = definition.concurrency.as_ref().filter(|_| !self.state.is_dry()) else {
            return Ok(false);
        };
        self.request(FrameId::ROOT, None, concurrency, definition.name.clone(), None)?;
        Ok(true)
    }

    /// Asks for a visit's slot. Gives whether it has to be waited for.
    pub(super) fn request_slot(
        &mut self,
        frame: FrameId,
        visit: VisitId,
        step: &Step,
    ) -> Result<bool, Failure> {
        if let Some(priority) = &step.priority {
            let priority = number(priority, &self.scope(frame))?;
            self.push(Event::PrioritySet { visit: Some(visit), priority });
        }
        // A dry rehearsal keeps nobody waiting, and takes nobody's place.
        let Some(concurrency) = step.concurrency.as_ref().filter(|_| !self.state.is_dry()) else {
            return Ok(false);
        };
        let key = format!("{}/{}", self.definition.name, step.id);
        self.request(frame, Some(visit), concurrency, key, step.timeout.start)?;
        Ok(true)
    }

    fn request(
        &mut self,
        frame: FrameId,
        visit: Option<VisitId>,
        concurrency: &Concurrency,
        default: String,
        start: Option<crate::Duration>,
    ) -> Result<(), Failure> {
        let evaluate = |key: &Template| key.evaluate_text(&self.scope(frame));
        let key = concurrency.key.as_ref().map(evaluate).transpose();
        let key = key.map_err(|error| evaluation_failure(&error))?.unwrap_or(default);
        if key.is_empty() || key.len() > CONCURRENCY_KEY_MAX_BYTES {
            let bytes = key.len();
            let message = format!(
                "the key of concurrency has {bytes} bytes; at least 1, and at most \
                 concurrency_key_max_bytes ({CONCURRENCY_KEY_MAX_BYTES})"
            );
            return Err(Failure::new(FailureKind::InvalidInput, message));
        }
        // Two slashes stand in no key by itself: tenants do not wait for each other.
        let own = &self.state.namespace;
        let key = if own.is_default() { key } else { format!("{own}//{key}") };
        let (limit, overflow) = (concurrency.limit, concurrency.overflow);
        let priority = self.state.priority(visit);
        let until = start.map(|start| self.now.after(start));
        let requested = SlotRequested { visit, key, limit, overflow, priority, until };
        self.push(Event::SlotRequested(Box::new(requested)));
        Ok(())
    }

    /// The run hears of a slot. What it does not wait for any more, or not now, changes nothing.
    pub(super) fn hear_of_slot(&mut self, visit: Option<VisitId>, news: SlotNews) {
        let Some(slot) = self.state.slot_of(visit).cloned() else { return };
        if visit.and_then(|id| self.state.visit(id)).is_some_and(crate::state::Visit::is_done) {
            return;
        }
        match news {
            SlotNews::Granted if !slot.taken && !self.state.is_suspended() => self.begin_with_slot(visit),
            SlotNews::Refused if !slot.taken => self.end_without(visit, &refused(&slot)),
            SlotNews::Replaced(by) => self.make_way(visit, &slot, by),
            SlotNews::Granted | SlotNews::Refused => {}
        }
    }

    fn begin_with_slot(&mut self, visit: Option<VisitId>) {
        self.push(Event::SlotTaken { visit });
        let Some(id) = visit else { return self.begin_steps() };
        let (Some(frame), Some(index)) = (self.state.visit(id).map(|at| at.frame), self.index_of(id)) else {
            return;
        };
        if let Some(step) = self.definition.step(index) {
            self.begin_visit(frame, id, step);
        }
    }

    fn end_without(&mut self, visit: Option<VisitId>, failure: &Failure) {
        match visit {
            None => self.fail_run(failure.clone(), None),
            Some(id) => self.next.push_back(Next::Settle(id, Err(failure.clone()))),
        }
    }

    /// Whoever is on the way out already, or in the midst of something that must be known to have happened or
    /// not, is not cut off: the newcomer waits for the end of that.
    fn make_way(&mut self, visit: Option<VisitId>, slot: &Slot, by: RunId) {
        let stays = match visit {
            None => self.state.undoing.is_some(),
            Some(id) => self.state.visit(id).is_none_or(|visit| {
                let cleans = visit.inside.as_ref().is_some_and(|at| at.catching || at.outcome.is_some());
                let asks = matches!(visit.activity, Activity::Unknown(_));
                let acts = matches!(visit.activity, Activity::Attempting) && is_at_most_once(visit);
                cleans || asks || acts || !self.state.running_within(id).is_empty()
            }),
        };
        if stays {
            return;
        }
        let message = format!("run {by} took its slot of '{}'", slot.key);
        let Some(id) = visit else {
            let actor = Actor {
                name: format!("run:{by}"),
                groups: Vec::new(),
                operator: false,
                via: "concurrency".into(),
            };
            return self.cancel(actor, Some(message));
        };
        self.break_off(id, Failure::new(FailureKind::Cancelled, message));
    }
}

fn refused(slot: &Slot) -> Failure {
    let Slot { key, limit, .. } = slot;
    let message = format!(
        "all slots of '{key}' are taken, concurrency allows {limit}; try again later, or let it wait with \
         `overflow: queue`"
    );
    Failure::new(FailureKind::Limit, message)
}

fn number(priority: &Template, scope: &Scope<'_>) -> Result<u8, Failure> {
    let value = priority.evaluate(scope).map_err(|error| evaluation_failure(&error))?;
    let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
    number.filter(|number| *number <= PRIORITY_MAX).ok_or_else(|| {
        let message = format!("priority is {value}; it is a whole number from 0 to {PRIORITY_MAX}");
        Failure::new(FailureKind::InvalidInput, message)
    })
}
