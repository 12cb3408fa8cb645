//! A run that stands still, and one that begins with the events of another.

use std::sync::Arc;

use super::{Activity, CallProgress, RunState, Visit};
use crate::event::Because;
use crate::travel::{InputsChanged, OutputChanged, Rehearsal, RunForked, RunSuspended, StepHeld};
use crate::{ApprovalId, Duration, FrameId, StepId, Timestamp};

/// Who suspended a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A step that begins when its run is resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its list of steps.
    pub frame: FrameId,
    /// The step.
    pub step: StepId,
    /// Why it came there.
    pub because: Because,
}

impl RunState {
    /// Whether an operator has suspended it: nothing new begins, and time does not pass for it.
    pub const fn is_suspended(&self) -> bool {
        self.suspension.is_some()
    }

    /// Whose journal answers it, where it is a rehearsal.
    pub const fn rehearsal(&self) -> Option<&Arc<Rehearsal>> {
        self.rehearsal.as_ref()
    }

    /// Whether it may change nothing outside: it starts no runs, tells no topics, puts nothing into memories that
    /// runs share.
    pub fn is_dry(&self) -> bool {
        self.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.dry)
    }

    /// The steps that begin when it is resumed.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    pub(super) fn suspend(&mut self, time: Timestamp, suspended: &RunSuspended) {
        let RunSuspended { by, reason } = suspended;
        self.suspension = Some(Suspension { by: by.name.clone(), reason: reason.clone(), since: time });
    }

    pub(super) fn hold(&mut self, held: &StepHeld) {
        let StepHeld { step, because, frame } = held;
        self.held.push(Held { frame: *frame, step: step.clone(), because: *because });
    }

    pub(super) fn resume(&mut self, moved: Duration) {
        self.suspension = None;
        self.move_due(moved);
    }

    pub(super) fn fork(&mut self, time: Timestamp, forked: &RunForked) {
        self.created_at = time;
        self.initiators.push(forked.by.name.clone());
        // What somebody allowed they allowed the other run.
        for approval in self.approvals.values_mut().filter(|approval| approval.open) {
            approval.begin_anew();
        }
        // Whoever started the other run did not ask for this one.
        self.trace = forked.trace.clone().map(Arc::new);
        self.keep_nothing();
        if !forked.agents.is_empty() {
            Arc::make_mut(&mut self.plugins).extend(forked.agents.clone());
        }
        self.rehearsal = forked.rehearsal.clone().map(Arc::new);
        if self.is_dry() {
            self.give_slots_back();
        }
        self.resume(forked.moved);
        if self.rehearsal.is_some() {
            self.hurry(time);
        }
    }

    /// What waits for time alone waits no more.
    fn hurry(&mut self, now: Timestamp) {
        for id in &self.active {
            let Some(visit) = self.visits.get_mut(id) else { continue };
            if let Activity::BackingOff(until) | Activity::Waiting(until) = &mut visit.activity {
                *until = now.min(*until);
            }
            for call in visit.calls.open().map(|(call, _)| call).collect::<Vec<_>>() {
                visit.calls.progress(call, |progress| {
                    let CallProgress::Sleeping(until) = progress else { return None };
                    Some(CallProgress::Sleeping(now.min(*until)))
                });
            }
        }
    }

    pub(super) fn change_inputs(&mut self, changed: &InputsChanged) {
        self.inputs = changed.inputs.share();
    }

    pub(super) fn change_output(&mut self, changed: &OutputChanged) {
        let Some(frame) = self.frames.get_mut(&changed.frame) else { return };
        let output = changed.output.share();
        let before = frame.outputs.insert(changed.step.clone(), Arc::clone(&output));
        // The list's own result is that of its last step.
        if let (Some(before), Some(last)) = (before, &frame.last)
            && Arc::ptr_eq(&before, last)
        {
            frame.last = Some(output);
        }
    }

    /// Everything that is due is due so much later.
    pub(super) fn move_due(&mut self, by: Duration) {
        self.deadline = self.deadline.map(|deadline| deadline.after(by));
        let active = self.active.iter().copied();
        for id in active {
            if let Some(visit) = self.visits.get_mut(&id) {
                move_visit(visit, by);
            }
        }
        for approval in self.approvals.values_mut().filter(|approval| approval.open) {
            approval.move_due(by);
        }
    }
}

fn move_visit(visit: &mut Visit, by: Duration) {
    if let Activity::BackingOff(until)
    | Activity::Waiting(until)
    | Activity::Queued(Some(until))
    | Activity::Listening(_, Some(until)) = &mut visit.activity
    {
        *until = until.after(by);
    }
    for at in [&mut visit.deadline, &mut visit.total_at] {
        *at = at.map(|at| at.after(by));
    }
    for call in visit.calls.open().map(|(call, _)| call).collect::<Vec<_>>() {
        visit.calls.progress(call, |progress| {
            if let CallProgress::Sleeping(until) = progress {
                Some(CallProgress::Sleeping(until.after(by)))
            } else if let CallProgress::Listening(name, Some(until)) = progress {
                Some(CallProgress::Listening(name.clone(), Some(until.after(by))))
            } else {
                None
            }
        });
    }
}

impl Visit {
    /// The approvals that it waits for.
    pub fn asks(&self) -> Vec<ApprovalId> {
        if let Activity::Asking(id) | Activity::Unknown(Some(id)) = &self.activity {
            return vec![id.clone()];
        }
        let asked = self.calls.open().filter_map(|(_, call)| match &call.progress {
            CallProgress::Asking(id)
            | CallProgress::Guarded(id)
            | CallProgress::Paused(_, Some(id))
            | CallProgress::Unknown(_, Some(id)) => Some(id.clone()),
            CallProgress::Running(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Paused(_, None)
            | CallProgress::Unknown(_, None)
            | CallProgress::Cleared(_)
            | CallProgress::Answered { .. } => None,
        });
        asked.collect()
    }
}
