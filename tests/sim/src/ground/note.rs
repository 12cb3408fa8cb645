//! What an event says, against the state before it; and what tools are asked to do.

use pawl_core::call::CallResponse;
use pawl_core::event::{Actor, Asker, Event, SignalReceived};
use pawl_core::plugin::EffectClass;
use pawl_core::state::{Activity, CallProgress, Visit};
use pawl_core::view::Status;
use pawl_core::{RunId, RunState};

use super::{Truth, Work};

impl Truth {
    pub(super) fn note(&mut self, run: RunId, before: &RunState, event: &Event) {
        let status = before.status();
        if status.is_final() && !(status == Status::Failed && matches!(event, Event::RunRetried(_))) {
            let what = format!("run {run} had ended ({}), and has the event {}", status.name(), event.name());
            self.violated(what);
        }
        self.note_person(run, event);
        match event {
            Event::StepCompleted { visit, .. } | Event::StepFailed { visit, .. }
                if before.visit(*visit).is_none_or(Visit::is_done) =>
            {
                self.violated(format!("visit {visit} of run {run} was over, and is over again"));
            }
            Event::CallCompleted { visit, call, .. } => {
                let answered = before.visit(*visit).and_then(|visit| visit.calls.get(*call));
                if answered.is_some_and(|call| matches!(call.progress, CallProgress::Answered { .. })) {
                    self.violated(format!("call {call} of visit {visit} of run {run} is answered twice"));
                }
            }
            Event::ApprovalDecided(decided) => {
                let known = before.approvals().find(|(id, _)| **id == decided.approval);
                if !self.decided.insert(decided.approval.clone()) || known.is_none_or(|(_, at)| !at.open) {
                    self.violated(format!("approval {} is decided twice", decided.approval));
                }
                if let (Some((_, approval)), "retry") = (known, decided.action.as_str()) {
                    let call = match approval.asker {
                        Asker::UnknownCall(call) => Some(call),
                        Asker::UnknownStep => None,
                        Asker::Step
                        | Asker::Call(_)
                        | Asker::GuardedStep
                        | Asker::GuardedCall(_)
                        | Asker::BudgetStep
                        | Asker::BudgetCall(_)
                        | Asker::ToolStep
                        | Asker::ToolCall(_) => return,
                    };
                    *self.cleared.entry((run, approval.visit, call)).or_default() += 1;
                }
            }
            Event::RunRetried(retried) if retried.again => {
                *self.cleared.entry((run, retried.visit, None)).or_default() += 1;
            }
            Event::SignalReceived(received) => {
                let SignalReceived { key: Some(key), .. } = &**received else { return };
                if !self.signals.insert((run, key.clone())) {
                    self.violated(format!("the signal {key} is in the journal of run {run} twice"));
                }
            }
            Event::TopicHeard { visit, from, .. } if !self.heard.insert((run, *visit, *from)) => {
                self.violated(format!("visit {visit} of run {run} heard twice of event {from:?}"));
            }
            _ => {}
        }
    }

    /// What an event says that a person did.
    fn note_person(&mut self, run: RunId, event: &Event) {
        let by: &Actor = match event {
            Event::RunStarted(started) => &started.by,
            Event::RunRetried(retried) => &retried.by,
            Event::RunSuspended(suspended) => &suspended.by,
            Event::RunResumed(resumed) => &resumed.by,
            Event::RunForked(forked) => &forked.by,
            Event::RunCancelled { by, .. } => by,
            Event::UndoStarted { cancelled: Some(cancelled), .. } => &cancelled.by,
            Event::ApprovalClaimed(claimed) => &claimed.by,
            Event::ApprovalReleased(released) => &released.by,
            Event::ApprovalDelegated(delegated) => &delegated.by,
            Event::ApprovalCommented(commented) => &commented.by,
            Event::ApprovalVoted(voted) => &voted.by,
            Event::ApprovalDecided(decided) => &decided.by,
            _ => return,
        };
        // A cancel that undoes first is there from then on.
        let name = match event {
            Event::UndoStarted { .. } => "run-cancelled",
            // Whoever answers does not know whether the answer is the last that was needed.
            Event::ApprovalVoted(_) | Event::ApprovalDecided(_) => "approval-answered",
            event => event.name(),
        };
        self.retried += u64::from(matches!(event, Event::RunRetried(_)));
        let is_made = matches!(event, Event::RunStarted(started) if started.ancestor.is_some());
        self.made += u64::from(is_made || matches!(event, Event::RunForked(_)));
        self.marks.insert((run, name, by.name.clone()));
    }

    /// A tool is called. Whether that may be; and of one that acts, that it did.
    pub(crate) fn call(&mut self, work: Work, attempt: u32, effect: EffectClass, result: &CallResponse) {
        let (run, visit, call) = work;
        let at = self.runs.get(&run).and_then(|run| run.state.visit(visit));
        let may = at.is_some_and(|at| {
            let answered = call.and_then(|call| at.calls.get(call));
            let answered =
                answered.is_some_and(|call| matches!(call.progress, CallProgress::Answered { .. }));
            at.attempt == attempt && matches!(at.activity, Activity::Attempting) && !answered
        });
        if !may {
            self.violated(format!(
                "work {work:?}, attempt {attempt}, is done although its journal says that it is over"
            ));
        }
        if effect != EffectClass::AtMostOnce {
            return;
        }
        let allowed = 1 + self.cleared.get(&work).copied().unwrap_or_default();
        let (times, last) = self.acts.entry(work).or_insert((0, result.clone()));
        (*times, *last) = (*times + 1, result.clone());
        if *times > allowed {
            let times = *times;
            self.violated(format!(
                "an at-most-once tool acted {times} times for {work:?}, of {allowed} that it may"
            ));
        }
    }
}
