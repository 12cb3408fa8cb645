//! Time has passed: whatever is due, happens.

use super::Draft;
use crate::event::Work;
use crate::state::{Activity, CallProgress, CallState, Visit};
use crate::{ApprovalId, Duration, Failure, FailureKind, Timestamp, VisitId};

/// One thing that is due.
enum Due {
    Retry(VisitId),
    WaitOver(VisitId),
    NotHeard(VisitId, Timestamp),
    NoSlot(VisitId),
    SleepOver(VisitId, u32),
    CallNotHeard(VisitId, u32),
    Unanswered(ApprovalId),
    Rung(ApprovalId),
    Deadline(VisitId),
    /// A visit took too long as a whole.
    Total(VisitId),
    /// The run took too long.
    Run,
}

impl Draft<'_> {
    /// Does everything that is due, each on the state that the one before left.
    pub(super) fn tick(&mut self) {
        // A suspended run's time comes when it is resumed.
        if self.state.is_suspended() {
            return;
        }
        // Every round ends what was due; what it starts is due later than now, or is bounded by `max_visits`.
        while let Some(due) = self.next_due() {
            match due {
                Due::Retry(visit) => self.attempt_again(visit),
                Due::WaitOver(visit) => self.complete_step(visit, serde_json::Value::Null),
                Due::NotHeard(visit, until) => self.not_heard(visit, until),
                Due::NoSlot(visit) => self.time_out_in_queue(visit),
                Due::SleepOver(visit, call) => self.end_sleep(visit, call),
                Due::CallNotHeard(visit, call) => self.call_not_heard(visit, call),
                Due::Unanswered(approval) => self.answer_late(&approval),
                Due::Rung(approval) => self.escalate(&approval),
                Due::Deadline(visit) => self.time_out(visit),
                Due::Total(visit) => self.time_out_as_a_whole(visit),
                Due::Run => self.time_out_run(),
            }
            // What is due next is read from the state that this leads to.
            self.settle_all();
        }
    }

    fn next_due(&self) -> Option<Due> {
        let now = self.now;
        if self.state.is_open() && self.state.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Due::Run);
        }
        let unanswered = self
            .state
            .approvals
            .iter()
            .filter(|(_, approval)| approval.open && approval.due.is_some_and(|due| due <= now))
            .min_by_key(|(_, approval)| approval.due)
            .map(|(id, _)| Due::Unanswered(id.clone()));
        // An approval whose time is up needs nobody else to be asked.
        let next = unanswered.or_else(|| self.rung_due());
        next.or_else(|| self.state.active().find_map(|(id, visit)| due_of(id, visit, now)))
    }

    fn rung_due(&self) -> Option<Due> {
        let open = self.state.approvals.iter().filter(|(_, approval)| approval.open);
        let due = open.filter_map(|(id, approval)| Some((approval.inbox.escalates?, id)));
        due.filter(|(at, _)| *at <= self.now).min().map(|(_, id)| Due::Rung(id.clone()))
    }

    fn time_out(&mut self, id: VisitId) {
        let Some(visit) = self.state.visit(id) else { return };
        let took = self.now.since(visit.attempt_at);
        let limit = self.step_of(id).and_then(|step| step.timeout.attempt).unwrap_or(took);
        let failure = timeout(visit.work.as_deref(), limit);
        self.fail_attempt(id, failure, true);
    }

    /// There is no other attempt after this one, whatever `retry` says.
    fn time_out_as_a_whole(&mut self, id: VisitId) {
        let (Some(visit), Some(step)) = (self.state.visit(id), self.step_of(id)) else { return };
        let limit = step.timeout.total.unwrap_or_else(|| self.now.since(visit.started_at));
        let message = format!("step '{}' took longer than its total timeout of {limit}", step.id);
        self.break_off(id, Failure::new(FailureKind::Timeout, message));
    }

    /// A visit got no slot in time.
    fn time_out_in_queue(&mut self, id: VisitId) {
        let (Some(visit), Some(step)) = (self.state.visit(id), self.step_of(id)) else { return };
        let limit = step.timeout.start.unwrap_or_else(|| self.now.since(visit.started_at));
        let key = visit.slot.as_ref().map(|slot| slot.key.clone()).unwrap_or_default();
        let message =
            format!("step '{}' got no slot of '{key}' within its start timeout of {limit}", step.id);
        self.fail_step(id, Failure::new(FailureKind::Timeout, message));
    }

    /// Ends whatever a visit is at. There is no other attempt after this one.
    pub(super) fn break_off(&mut self, id: VisitId, failure: Failure) {
        let Some(visit) = self.state.visit(id) else { return };
        match visit.activity {
            Activity::Attempting => self.fail_attempt(id, failure, false),
            Activity::Inside => {
                self.cancel_frames(id);
                self.fail_step(id, failure);
            }
            Activity::Arrived
            | Activity::BackingOff(_)
            | Activity::Asking(_)
            | Activity::Waiting(_)
            | Activity::Queued(_)
            | Activity::Routing
            | Activity::Seeking
            | Activity::Listening(..)
            | Activity::Child(_)
            | Activity::Unknown(_) => self.fail_step(id, failure),
            Activity::Skipped | Activity::Completed | Activity::Failed(_) | Activity::Cancelled => {}
        }
    }

    fn time_out_run(&mut self) {
        let took = self.now.since(self.state.created_at);
        let limit = self.definition.timeout.unwrap_or(took);
        let message = format!("the run took longer than its timeout of {limit}");
        self.fail_run(Failure::new(FailureKind::Timeout, message), None);
    }
}

fn due_of(id: VisitId, visit: &Visit, now: Timestamp) -> Option<Due> {
    if visit.total_at.is_some_and(|at| at <= now) {
        return Some(Due::Total(id));
    }
    if matches!(visit.activity, Activity::BackingOff(until) if until <= now) {
        return Some(Due::Retry(id));
    }
    if matches!(visit.activity, Activity::Waiting(until) if until <= now) {
        return Some(Due::WaitOver(id));
    }
    if matches!(visit.activity, Activity::Queued(Some(until)) if until <= now) {
        return Some(Due::NoSlot(id));
    }
    if let Activity::Listening(_, Some(until)) = visit.activity
        && until <= now
    {
        return Some(Due::NotHeard(id, until));
    }
    let is_over = |state: &CallState| matches!(state.progress, CallProgress::Sleeping(until) if until <= now);
    if let Some((call, _)) = visit.calls.open().find(|(_, state)| is_over(state)) {
        return Some(Due::SleepOver(id, call));
    }
    let is_late =
        |state: &CallState| state.awaited().is_some_and(|(_, until)| until.is_some_and(|at| at <= now));
    if let Some((call, _)) = visit.calls.open().find(|(_, state)| is_late(state)) {
        return Some(Due::CallNotHeard(id, call));
    }
    visit.deadline.is_some_and(|deadline| deadline <= now).then_some(Due::Deadline(id))
}

fn timeout(work: Option<&Work>, limit: Duration) -> Failure {
    let what = match work {
        Some(Work::Tool { plugin, tool, .. }) => format!("tool {plugin}.{tool}"),
        Some(Work::Agent { agent, .. }) => format!("agent {agent}"),
        None => "the attempt".to_owned(),
    };
    Failure::new(FailureKind::Timeout, format!("{what} took longer than its timeout of {limit}"))
}
