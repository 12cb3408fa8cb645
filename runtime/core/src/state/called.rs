//! Agents that are called by agents: visits of their own, each within a call.

use super::{Activity, CallProgress, Calls, RunState, Visit};
use crate::event::Payload;
use crate::{Failure, Timestamp, VisitId};

impl RunState {
    /// How many agents wait for this visit, each for the one before.
    pub(crate) fn depth(&self, id: VisitId) -> u32 {
        let callers = std::iter::successors(Some(id), |id| Some(self.visits.get(id)?.caller?.0));
        u32::try_from(callers.count()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// The calls that are under way in a visit, and in those of agents that it has called.
    pub(crate) fn running_within(&self, id: VisitId) -> Vec<(VisitId, u32)> {
        self.calls_within(id, Calls::running)
    }

    /// Some of the calls of a visit, and of those of agents that it has called.
    fn calls_within(&self, id: VisitId, some: impl Fn(&Calls) -> Vec<u32>) -> Vec<(VisitId, u32)> {
        let (mut found, mut waiting) = (Vec::new(), vec![id]);
        while let Some(id) = waiting.pop() {
            let Some(visit) = self.visits.get(&id) else { continue };
            found.extend(some(&visit.calls).into_iter().map(|call| (id, call)));
            waiting.extend(visit.calls.open().filter_map(|(_, call)| called(&call.progress)));
        }
        found
    }

    /// The visit whose agent called this one, or called who called it.
    pub(crate) fn first_caller(&self, id: VisitId) -> VisitId {
        let callers = std::iter::successors(Some(id), |id| Some(self.visits.get(id)?.caller?.0));
        callers.last().unwrap_or(id)
    }

    /// A person has decided of a call: the time of its agent and of the callers goes on from now. Another call
    /// that was made together with it, or another agent that was called, may wait for a person still.
    pub(super) fn resume_time(&mut self, time: Timestamp, id: VisitId, call: u32) {
        let stopping = self.calls_within(self.first_caller(id), |calls| calls.stopping().collect());
        if stopping.into_iter().all(|at| at == (id, call)) {
            self.with_callers(id, |visit| visit.deadline = visit.timeout.map(|timeout| time.after(timeout)));
        }
    }

    /// Changes a visit, that of its caller, and so on.
    pub(super) fn with_callers(&mut self, id: VisitId, mut change: impl FnMut(&mut Visit)) {
        let mut next = Some(id);
        while let Some(visit) = next.and_then(|id| self.visits.get_mut(&id)) {
            change(visit);
            next = visit.caller.map(|(caller, _)| caller);
        }
    }

    pub(super) fn call_agent(&mut self, time: Timestamp, id: VisitId, caller: VisitId, call: u32) {
        if self.visits.contains_key(&id) {
            return;
        }
        let Some(visit) = self.visits.get_mut(&caller) else { return };
        visit.calls.progress(call, |_| Some(CallProgress::Calling(id)));
        let mut within = Visit::arrived(visit.step.clone(), visit.because, visit.frame, time);
        within.caller = Some((caller, call));
        within.taint.clone_from(&visit.taint);
        self.visits.insert(id, within);
        self.active.push(id);
    }

    /// A call has its answer: the visit of the agent that was called is over.
    pub(super) fn end_called(
        &mut self,
        time: Timestamp,
        caller: VisitId,
        call: u32,
        response: &Result<Payload, Failure>,
    ) {
        let call = self.visits.get(&caller).and_then(|visit| visit.calls.get(call));
        if let Some(id) = call.and_then(|call| called(&call.progress)) {
            let failed = response.as_ref().err().cloned().map(Activity::Failed);
            self.finish(time, id, failed.unwrap_or(Activity::Completed));
        }
    }

    /// Stops the agents that a visit has called, and those that they have called.
    pub(super) fn stop_called(&mut self, time: Timestamp, caller: VisitId) {
        let Some(visit) = self.visits.get(&caller) else { return };
        let stopped: Vec<VisitId> =
            visit.calls.open().filter_map(|(_, call)| called(&call.progress)).collect();
        for id in stopped {
            self.stop(time, id);
        }
    }

    /// The next attempt is another agent's: it may be tried as often as any.
    pub(super) fn hand_over(&mut self, id: VisitId) {
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.handovers += 1;
            visit.attempts_before = visit.attempt;
            visit.acted_once = false;
        }
    }
}

const fn called(progress: &CallProgress) -> Option<VisitId> {
    match progress {
        CallProgress::Calling(id) => Some(*id),
        CallProgress::Running(_)
        | CallProgress::Asking(_)
        | CallProgress::Guarded(_)
        | CallProgress::Sleeping(_)
        | CallProgress::Listening(..)
        | CallProgress::Paused(..)
        | CallProgress::Unknown(..)
        | CallProgress::Cleared(_)
        | CallProgress::Answered { .. } => None,
    }
}
