//! Where a run can be forked: where nothing is in the middle of a decision.

use std::collections::BTreeSet;

use crate::call::CallRequest;
use crate::definition::{Block, Definition, Step, StepIndex, Verb};
use crate::event::{Asker, Event};
use crate::state::{Activity, CallProgress, RunState, Visit};
use crate::{FrameId, VisitId};

/// A place at which a run can be forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing has begun.
    Start,
    /// A visit was completed; where it leads is still to be decided.
    After(VisitId),
    /// What is under way or waited for leads on by itself.
    Rest,
}

/// The place that a run is at behind an event, if it is one at which it can be forked.
#[expect(clippy::too_many_lines, reason = "each kind of event is named here once, so that none is forgotten")]
pub(super) fn place(state: &RunState, definition: &Definition, event: &Event) -> Option<Place> {
    if !state.is_open() || state.has_undone() {
        return None;
    }
    match event {
        Event::RunStarted(_) => Some(Place::Start),
        Event::StepCompleted { visit, .. } if !has_undo(state, definition, *visit) => {
            after(state, definition, *visit)
        }
        // A step with an `undo` is only done when that is kept; the new run does not keep it.
        Event::UndoKept { visit, .. } => after(state, definition, *visit),
        // What a run begins with is made before it comes to a step; what a move adds, while it rests at one.
        Event::VarsSet { visit: None, .. } if state.active().next().is_some() => {
            is_quiet(state, definition, None).then_some(Place::Rest)
        }
        // What follows from these is not to be seen in the state.
        Event::FrameCompleted { .. }
        | Event::FrameFailed { .. }
        | Event::FrameCancelled { .. }
        | Event::StepFailed { .. }
        | Event::StepCompleted { .. }
        | Event::VarsSet { .. }
        | Event::Tainted(_)
        | Event::SignalReceived(_)
        | Event::SignalTaken { .. }
        | Event::TopicHeard { .. }
        | Event::Emitted { .. }
        | Event::ChildEnded { .. }
        | Event::ChildCancelled { .. }
        | Event::DeadlineSet { .. }
        | Event::BudgetSet(_)
        | Event::BudgetSettled(_)
        | Event::BudgetWarned(_)
        | Event::BudgetExceeded(_)
        | Event::ToolAsked(_)
        | Event::PrioritySet { .. }
        | Event::SlotTaken { .. }
        | Event::RouteChosen(_)
        | Event::TaskHandedOver { .. }
        | Event::UndoStarted { .. }
        | Event::RunForked(_)
        | Event::InputsChanged(_)
        | Event::OutputChanged(_) => None,
        Event::DefinitionChanged(_) => {
            let made = |(name, _): &(String, _)| state.vars.get(name).is_some();
            let all_made = state.is_queued() || definition.vars.iter().all(made);
            (all_made && is_quiet(state, definition, None)).then_some(Place::Rest)
        }
        Event::ApprovalDecided(decided)
            if matches!(
                state.approvals.get(&decided.approval)?.asker,
                Asker::UnknownCall(_) | Asker::GuardedCall(_) | Asker::BudgetCall(_) | Asker::ToolCall(_)
            ) =>
        {
            None
        }
        Event::AttemptStarted { visit, .. } if state.is_uncounted(*visit) => None,
        // The attempt follows for which there is room.
        Event::BudgetReserved(reserved) if reserved.call.is_none() => None,
        Event::StepStarted { .. }
        | Event::StepSkipped { .. }
        | Event::ItemsTaken { .. }
        | Event::FrameStarted { .. }
        | Event::TurnStarted { .. }
        | Event::AttemptStarted { .. }
        | Event::AttemptFailed { .. }
        | Event::ToolLogged { .. }
        | Event::CallStarted { .. }
        | Event::AgentCalled { .. }
        | Event::CallCompleted { .. }
        | Event::OutcomeUnknown { .. }
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
        | Event::SlotRequested(_)
        | Event::RouteRequested(_)
        | Event::RouteAwaited(_)
        | Event::RouteReopened { .. }
        | Event::RouteExhausted { .. }
        | Event::BudgetReserved(_)
        | Event::BudgetRaised(_)
        | Event::ChildStarted { .. }
        | Event::RunRetried(_)
        | Event::RunSuspended(_)
        | Event::StepHeld(_)
        | Event::RunResumed(_)
        | Event::RunCompleted { .. }
        | Event::RunFailed { .. }
        | Event::RunCancelled { .. } => is_quiet(state, definition, None).then_some(Place::Rest),
    }
}

fn has_undo(state: &RunState, definition: &Definition, id: VisitId) -> bool {
    let step = state.visit(id).and_then(|visit| step_of(definition, visit));
    step.is_some_and(|step| step.undo.is_some())
}

/// Behind a completed step, when all else has come to rest.
fn after(state: &RunState, definition: &Definition, id: VisitId) -> Option<Place> {
    let visit = state.visit(id)?;
    let index = definition.index_of(&visit.step)?;
    let step = definition.step(index)?;
    // A switch says itself where it leads.
    if matches!(step.verb, Verb::Switch(_)) || !state.frames.contains_key(&visit.frame) {
        return None;
    }
    let block = definition.block(step.block)?;
    let leads = if block.is_graph {
        let follows =
            |ready: StepIndex| definition.step(ready).is_some_and(|step| step.needs.contains(&index));
        ready(state, definition, visit.frame, block).all(follows)
    } else {
        state.active().all(|(_, other)| other.frame != visit.frame)
    };
    (leads && is_quiet(state, definition, Some(visit.frame))).then_some(Place::After(id))
}

/// Whether nothing is in the middle of a decision: every list of steps has something under way, but for one.
fn is_quiet(state: &RunState, definition: &Definition, except: Option<FrameId>) -> bool {
    let mut busy: BTreeSet<FrameId> = state.active().map(|(_, visit)| visit.frame).collect();
    if state.is_suspended() {
        busy.extend(state.held.iter().map(|held| held.frame));
    } else if !state.held.is_empty() {
        return false;
    }
    state.frames.keys().all(|frame| Some(*frame) == except || busy.contains(frame))
        && state.active().all(|(id, visit)| {
            let waits = Some(visit.frame) == except || !has_ready(state, definition, visit);
            waits && is_settled(visit, definition) && !is_allowed(state, id, visit)
        })
}

/// Whether a person allowed what is under way: they allowed it once, and another run would do it again. So would one
/// that is made of a run whose tool has asked something: it would go on with the same call.
fn is_allowed(state: &RunState, id: VisitId, visit: &Visit) -> bool {
    if !visit.dialogues.is_empty() {
        return true;
    }
    let mut approvals = state.approvals.values().filter(|approval| approval.visit == id);
    let of_step = approvals
        .any(|approval| approval.asker == Asker::GuardedStep && approval.allowed.is_some() && !approval.open);
    // A question about a budget comes behind the one whether it is allowed.
    let asks = if let Activity::Asking(asked) = &visit.activity {
        state.approvals.get(asked).is_some_and(|approval| approval.asker == Asker::GuardedStep)
    } else {
        false
    };
    let mut open = visit.calls.open();
    (of_step && !asks)
        || open.any(|(number, call)| match call.progress {
            CallProgress::Cleared(_) => true,
            CallProgress::Paused(..) => is_call_allowed(state, id, visit, number),
            CallProgress::Running(_)
            | CallProgress::Asking(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Guarded(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Unknown(..)
            | CallProgress::Answered { .. } => false,
        })
}

/// Whether a person allowed a call that waits for something else, in this attempt.
fn is_call_allowed(state: &RunState, id: VisitId, visit: &Visit, call: u32) -> bool {
    state.approvals.values().any(|approval| {
        let same = (approval.visit, approval.asker, approval.attempt)
            == (id, Asker::GuardedCall(call), visit.attempt);
        same && approval.allowed.is_some() && !approval.open
    })
}

fn step_of<'a>(definition: &'a Definition, visit: &Visit) -> Option<&'a Step> {
    definition.index_of(&visit.step).and_then(|index| definition.step(index))
}

/// Whether a step beside a visit could begin and has not.
fn has_ready(state: &RunState, definition: &Definition, visit: &Visit) -> bool {
    let block = step_of(definition, visit).and_then(|step| definition.block(step.block));
    block.is_some_and(|block| block.is_graph && ready(state, definition, visit.frame, block).next().is_some())
}

/// The steps of a graph whose needs are done and that have not begun.
fn ready<'a>(
    state: &'a RunState,
    definition: &'a Definition,
    frame: FrameId,
    block: &'a Block,
) -> impl Iterator<Item = StepIndex> + 'a {
    let at = state.frame(frame);
    block.steps.iter().copied().filter(move |index| {
        let (Some(step), Some(at)) = (definition.step(*index), at) else { return false };
        let is_done =
            |index: &StepIndex| definition.step(*index).is_some_and(|step| at.done.contains(&step.id));
        let begun = state.active().any(|(_, visit)| visit.frame == frame && visit.step == step.id)
            || state.held.iter().any(|held| held.frame == frame && held.step == step.id);
        !is_done(index) && !begun && step.needs.iter().all(is_done)
    })
}

/// Whether what a visit does leads on by itself.
fn is_settled(visit: &Visit, definition: &Definition) -> bool {
    match &visit.activity {
        Activity::Inside => visit.inside.as_ref().is_some_and(|inside| {
            let verb = step_of(definition, visit).map(|step| &step.verb);
            let more = if let Some(Verb::Map(map)) = verb {
                (inside.begun as usize) < inside.items.len()
                    && inside.open.len() < map.max_parallel as usize
                    && !inside.catching
                    && inside.outcome.is_none()
            } else {
                false
            };
            !inside.open.is_empty() && !more
        }),
        Activity::Attempting => visit.calls.open().all(|(_, call)| match &call.progress {
            CallProgress::Running(request) => matches!(request, CallRequest::Tool { .. }),
            CallProgress::Unknown(_, approval) | CallProgress::Paused(_, approval) => approval.is_some(),
            CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Cleared(_)
            | CallProgress::Answered { .. } => true,
        }),
        Activity::BackingOff(_)
        | Activity::Asking(_)
        | Activity::Waiting(_)
        | Activity::Queued(_)
        | Activity::Routing
        | Activity::Seeking
        | Activity::Listening(..)
        | Activity::Unknown(Some(_)) => true,
        // A run that another one waits for cannot be waited for by two.
        Activity::Child(_)
        | Activity::Arrived
        | Activity::Unknown(None)
        | Activity::Skipped
        | Activity::Completed
        | Activity::Failed(_)
        | Activity::Cancelled => false,
    }
}
