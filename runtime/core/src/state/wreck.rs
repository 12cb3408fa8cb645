//! What a failure takes away, kept until it is known that nobody wants it back.
//!
//! A failed step takes its list of steps with it, with all that is under way
//! there, and so on outwards, until a `catch` stops it or the run ends. When the
//! run ends, a person may want the step tried again, and then what was cut off
//! beside it must go on as well. So the events of an unwinding, which follow on
//! each other in one commit, leave what they take away here; any other event
//! means that the run goes on without it.

use std::collections::BTreeMap;

use super::budget::Place;
use super::{Activity, Frame, Held, Phase, RunState, Visit};
use crate::event::{Entry, Event, Shortage};
use crate::travel::RunRetried;
use crate::{FrameId, Timestamp, VisitId};

/// What a failure took away.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Wreck {
    /// The visits that failed, the innermost first.
    pub(crate) failed: Vec<VisitId>,
    /// Visits as they were before.
    pub(crate) visits: BTreeMap<VisitId, Visit>,
    /// Frames as they were before.
    pub(crate) frames: BTreeMap<FrameId, Frame>,
    /// The visits that were not done.
    active: Vec<VisitId>,
    held: Vec<Held>,
    /// What did not fit into a budget and waited for a person.
    short: BTreeMap<Place, Vec<Shortage>>,
    /// Whether the failure was that of a step, not of what stands between steps.
    pub(crate) of_step: bool,
}

impl RunState {
    /// What the failure took away with which the run ended.
    pub(crate) fn wreck(&self) -> Option<&Wreck> {
        self.wreck.as_deref().filter(|_| matches!(self.phase, Phase::Failed(_)))
    }

    /// Begins, goes on with or ends an unwinding.
    #[expect(clippy::too_many_lines, reason = "one arm an event")]
    pub(super) fn mind_wreck(&mut self, event: &Event) {
        let failed = match event {
            Event::StepFailed { visit, .. } => Some(*visit),
            Event::FrameFailed { .. } | Event::FrameCancelled { .. } | Event::RunFailed { .. } => None,
            Event::RunRetried(_) => return,
            Event::RunStarted(_)
            | Event::StepStarted { .. }
            | Event::StepSkipped { .. }
            | Event::ItemsTaken { .. }
            | Event::FrameStarted { .. }
            | Event::TurnStarted { .. }
            | Event::FrameCompleted { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptFailed { .. }
            | Event::ToolLogged { .. }
            | Event::CallStarted { .. }
            | Event::AgentCalled { .. }
            | Event::TaskHandedOver { .. }
            | Event::CallCompleted { .. }
            | Event::OutcomeUnknown { .. }
            | Event::ToolAsked(_)
            | Event::ApprovalOpened(_)
            | Event::ApprovalDecided(_)
            | Event::ApprovalClaimed(_)
            | Event::ApprovalReleased(_)
            | Event::ApprovalDelegated(_)
            | Event::ApprovalCommented(_)
            | Event::ApprovalVoted(_)
            | Event::ApprovalEscalated(_)
            | Event::WaitStarted { .. }
            | Event::ListenStarted { .. }
            | Event::SignalReceived(_)
            | Event::SignalTaken { .. }
            | Event::TopicHeard { .. }
            | Event::Emitted { .. }
            | Event::PrioritySet { .. }
            | Event::SlotRequested(_)
            | Event::SlotTaken { .. }
            | Event::RouteRequested(_)
            | Event::RouteChosen(_)
            | Event::RouteAwaited(_)
            | Event::RouteReopened { .. }
            | Event::RouteExhausted { .. }
            | Event::BudgetSet(_)
            | Event::BudgetReserved(_)
            | Event::BudgetSettled(_)
            | Event::BudgetWarned(_)
            | Event::BudgetExceeded(_)
            | Event::BudgetRaised(_)
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::ChildCancelled { .. }
            | Event::StepCompleted { .. }
            | Event::VarsSet { .. }
            | Event::Tainted(_)
            | Event::DeadlineSet { .. }
            | Event::UndoKept { .. }
            | Event::UndoStarted { .. }
            | Event::RunCompleted { .. }
            | Event::RunSuspended(_)
            | Event::StepHeld(_)
            | Event::RunResumed(_)
            | Event::RunForked(_)
            | Event::InputsChanged(_)
            | Event::OutputChanged(_)
            | Event::DefinitionChanged(_)
            | Event::RunCancelled { .. } => {
                self.wreck = None;
                return;
            }
        };
        let wreck = self.wreck.get_or_insert_with(|| {
            let (active, held) = (self.active.clone(), self.held.clone());
            Box::new(Wreck { active, held, of_step: failed.is_some(), ..Wreck::default() })
        });
        wreck.failed.extend(failed);
    }

    /// Keeps a visit that a failure is about to end.
    pub(super) fn remember_visit(&mut self, id: VisitId) {
        if let (Some(wreck), Some(visit)) = (&mut self.wreck, self.visits.get(&id)) {
            wreck.visits.entry(id).or_insert_with(|| visit.clone());
            wreck.short.extend(self.budgets.short_of(id));
        }
    }

    /// Keeps a frame that a failure has just ended.
    pub(super) fn remember_frame(&mut self, id: FrameId, frame: &Frame) {
        if let Some(wreck) = &mut self.wreck {
            wreck.frames.insert(id, frame.clone());
        }
    }

    /// Brings back what the failure took away, but for the visit that is to be tried again and what was in it.
    pub(super) fn retry(&mut self, time: Timestamp, retried: &RunRetried) {
        let Some(wreck) = self.wreck.take() else { return };
        let Wreck { visits, frames, active, held, mut short, .. } = *wreck;
        let target = retried.visit;
        short.retain(|(visit, _), _| *visit != target);
        self.budgets.put_back(short);
        let end = self.visits.get(&target).map(|visit| (visit.activity.clone(), visit.ended_at));
        self.phase = Phase::Open;
        self.visits.extend(visits);
        for (id, frame) in frames {
            if let Some((within, entry)) = &frame.within
                && let Some(visit) = self.visits.get_mut(within)
            {
                let inside = visit.inside.get_or_insert_default();
                inside.open.insert(id);
                if let Entry::Branch(number) | Entry::Item(number) = entry {
                    inside.results.remove(number);
                }
            }
            self.frames.insert(id, frame);
        }
        self.held = held;
        self.active = active;
        self.active.retain(|id| self.visits.get(id).is_some_and(|visit| !visit.is_done()));
        if retried.again {
            if let Some(visit) = self.visits.get_mut(&target) {
                visit.attempts_before = visit.attempt;
            }
        } else {
            self.give_way(time, target, end);
        }
        let asked = self.active.iter().filter_map(|id| self.visits.get(id)).flat_map(Visit::asks);
        for approval in asked.collect::<Vec<_>>() {
            if let Some(approval) = self.approvals.get_mut(&approval) {
                approval.open = true;
            }
        }
        self.move_due(retried.moved);
    }

    /// Leaves a visit as it had ended; another visit of its step takes its place.
    fn give_way(&mut self, time: Timestamp, id: VisitId, end: Option<(Activity, Option<Timestamp>)>) {
        self.stop(time, id);
        let Some(visit) = self.visits.get_mut(&id) else { return };
        if let Some((activity, ended_at)) = end {
            visit.activity = activity;
            visit.ended_at = ended_at;
        }
        if let Some(frame) = self.frames.get_mut(&visit.frame)
            && let Some(arrivals) = frame.arrivals.get_mut(&visit.step)
        {
            *arrivals = arrivals.saturating_sub(1);
        }
    }
}
